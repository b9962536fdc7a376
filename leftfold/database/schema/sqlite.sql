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

CREATE TABLE leftfold_checkpoints (
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    event_id   TEXT, -- of the event at that position; NULL before the first
    updated_at TEXT    NOT NULL, epoch INTEGER NOT NULL DEFAULT 1, rebuild TEXT,
    PRIMARY KEY (name, version)
);

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

CREATE TABLE leftfold_migrations (
    number     int  PRIMARY KEY,
    name       text NOT NULL,
    applied_at text NOT NULL
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

CREATE UNIQUE INDEX leftfold_events_id ON leftfold_events (id);

CREATE UNIQUE INDEX leftfold_events_stream_version ON leftfold_events (stream, version);

CREATE INDEX leftfold_events_type ON leftfold_events (type, position);
