-- Processes that run projections.
CREATE TABLE leftfold_workers (
    id          TEXT    PRIMARY KEY,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    serves      TEXT    NOT NULL, -- JSON: names of projections, and for each that it refuses to run, why
    started_at  TEXT    NOT NULL,
    seen_at     TEXT    NOT NULL
);
