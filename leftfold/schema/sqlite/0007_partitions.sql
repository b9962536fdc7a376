-- A generation's checkpoints: every event up to the position is applied to the rows with keys in the buckets from first to
-- last, of 64. The worker with the lease moves them by compare-and-set. Each claim, split and merge raises the fence, so
-- that a former holder's compare-and-set fails.
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
CREATE INDEX partitions_by_owner ON leftfold_partitions (owner);
