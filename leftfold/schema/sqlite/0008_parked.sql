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
