CREATE TABLE leftfold_checkpoints (
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    event_id   TEXT, -- of the event at that position; NULL before the first
    updated_at TEXT    NOT NULL,
    PRIMARY KEY (name, version)
);
