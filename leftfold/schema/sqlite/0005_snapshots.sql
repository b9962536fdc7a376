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
