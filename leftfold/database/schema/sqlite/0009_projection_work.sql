-- Events set aside: one that could not be applied to a key's row (error says why), and those of the same key behind it.
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

-- What people have done to projections: paused, skipped an event, rebuilt, …
CREATE TABLE leftfold_projection_acts (
    id          TEXT PRIMARY KEY, -- a UUID that grows
    name        TEXT    NOT NULL,
    act         TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    details     TEXT    NOT NULL, -- JSON
    done_at     TEXT    NOT NULL
);

-- Processes that run projections.
CREATE TABLE leftfold_workers (
    id          TEXT    PRIMARY KEY,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    serves      TEXT    NOT NULL, -- JSON: names of projections, and for each that it refuses to run, why
    started_at  TEXT    NOT NULL,
    seen_at     TEXT    NOT NULL
);
