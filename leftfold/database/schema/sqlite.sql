CREATE TRIGGER leftfold_event_tags_no_delete BEFORE DELETE ON leftfold_event_tags
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable, and so are their tags');
END;

CREATE TRIGGER leftfold_event_tags_no_update BEFORE UPDATE ON leftfold_event_tags
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable, and so are their tags');
END;

CREATE TRIGGER leftfold_events_no_delete BEFORE DELETE ON leftfold_events
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; append a correcting event instead of DELETE');
END;

CREATE TRIGGER leftfold_events_no_replace BEFORE INSERT ON leftfold_events
WHEN EXISTS (SELECT 1 FROM leftfold_events WHERE position = NEW.position)
  OR EXISTS (SELECT 1 FROM leftfold_events WHERE stream = NEW.stream AND version = NEW.version)
  OR EXISTS (SELECT 1 FROM leftfold_events WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; an event with this position, version or id exists');
END;

CREATE TRIGGER leftfold_events_no_update BEFORE UPDATE ON leftfold_events
BEGIN
    SELECT RAISE(ABORT, 'leftfold: events are immutable; append a correcting event instead of UPDATE');
END;

CREATE TABLE leftfold_epochs (
    epoch    INTEGER PRIMARY KEY,
    store    BLOB    NOT NULL, -- the store's identity in this epoch: the 16 bytes of a UUID
    position INTEGER NOT NULL, -- of the last event when it began
    event_id BLOB,             -- of that event; NULL in an empty log
    reason   TEXT    NOT NULL,
    began_at TEXT    NOT NULL  -- fixed-width UTC
);

CREATE TABLE leftfold_event_tags (
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tag, position)
) WITHOUT ROWID;

CREATE TABLE leftfold_events (
    position       INTEGER PRIMARY KEY,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    id             BLOB    NOT NULL, -- the 16 bytes of a UUID
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    data           TEXT    NOT NULL, -- JSON, byte for byte as it was given
    metadata       TEXT    NOT NULL, -- a JSON object
    tags           TEXT    NOT NULL, -- a JSON array of strings
    occurred_at    TEXT    NOT NULL, -- fixed-width UTC: 2026-01-16T00:00:00.000000Z
    recorded_at    TEXT    NOT NULL
);

CREATE TABLE leftfold_inline_set (
    digest  TEXT NOT NULL, -- empty for the empty set
    members TEXT NOT NULL  -- a JSON array of [name, version]
);

CREATE TABLE leftfold_migrations (
    number     int  PRIMARY KEY,
    name       text NOT NULL,
    applied_at text NOT NULL
);

CREATE TABLE leftfold_parked (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    key         TEXT    NOT NULL, -- JSON
    position    INTEGER NOT NULL,
    event_id    TEXT    NOT NULL,
    stream      TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    error       TEXT,  -- NULL: it only waits behind the one that has one
    traceback   TEXT,
    parked_at   TEXT    NOT NULL,
    PRIMARY KEY (name, generation, key, position)
);

CREATE TABLE leftfold_partitions (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    event_id    TEXT,  -- of the event at that position; NULL before the first
    epoch       INTEGER NOT NULL,
    store       TEXT,  -- whose log it is, where that is another store than this
    updated_at  TEXT    NOT NULL,
    applied     INTEGER NOT NULL DEFAULT 0, -- how many events since it began
    rate        REAL    NOT NULL DEFAULT 0, -- events a second, lately, while it had some
    fence       INTEGER NOT NULL DEFAULT 0,
    owner       TEXT,  -- the worker that holds the lease
    lease_until TEXT,
    failure     TEXT,  -- JSON: the event in front of which it stands still, and why
    PRIMARY KEY (name, generation, first)
);

CREATE TABLE leftfold_projection_acts (
    id          TEXT PRIMARY KEY, -- a UUID that grows
    name        TEXT    NOT NULL,
    act         TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    details     TEXT    NOT NULL, -- JSON
    done_at     TEXT    NOT NULL
);

CREATE TABLE leftfold_projections (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    role        TEXT    NOT NULL CHECK (role IN ('live', 'shadow', 'former', 'turning')),
    fingerprint TEXT,          -- of the code and fields that its rows were made by; NULL: whoever comes first says
    tables      TEXT    NOT NULL, -- JSON: the names of its tables when it is live
    query       TEXT    NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        TEXT    NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      TEXT,          -- JSON: who, why and when; NULL while it may run
    rebuild     TEXT,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    TEXT    NOT NULL,
    PRIMARY KEY (name, generation)
);

CREATE TABLE leftfold_snapshots (
    stream       TEXT    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    occurred_max TEXT    NOT NULL, -- the latest occurred_at among the events folded in
    recorded_max TEXT    NOT NULL,
    state        TEXT    NOT NULL, -- JSON
    fingerprint  TEXT    NOT NULL, -- of the state's fields; a snapshot with another one is ignored
    created_at   TEXT    NOT NULL
);

CREATE TABLE leftfold_workers (
    id          TEXT    PRIMARY KEY,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    serves      TEXT    NOT NULL, -- JSON: names of projections, and for each that it refuses to run, why
    started_at  TEXT    NOT NULL,
    seen_at     TEXT    NOT NULL
);

CREATE UNIQUE INDEX leftfold_events_id ON leftfold_events (id);

CREATE UNIQUE INDEX leftfold_events_stream_version ON leftfold_events (stream, version);

CREATE INDEX leftfold_events_type ON leftfold_events (type, position);

CREATE INDEX partitions_by_owner ON leftfold_partitions (owner);

CREATE UNIQUE INDEX projections_by_role ON leftfold_projections (name, role);
