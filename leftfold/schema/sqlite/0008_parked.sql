-- Events set aside: an event that could not be applied to a key's row, with its error, and the key's later events.
CREATE TABLE leftfold_parked (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    key         TEXT    NOT NULL, -- JSON
    position    INTEGER NOT NULL,
    event_id    TEXT    NOT NULL,
    stream      TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    error       TEXT,  -- NULL: it waits behind the failed event
    traceback   TEXT,
    parked_at   TEXT    NOT NULL,
    PRIMARY KEY (name, generation, key, position)
);
