-- What is known of projections. A generation is one building of a projection's rows from history: the live one is what
-- views show, a shadow is being built beside it, the former one is kept for going back. Their tables are named after it.
CREATE TABLE leftfold_projections (
    name        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    role        TEXT    NOT NULL CHECK (role IN ('live', 'shadow', 'former')),
    fingerprint TEXT,          -- of the code and fields that its rows were made by; NULL: whoever comes first says
    tables      TEXT    NOT NULL, -- JSON: the names of its tables when it is live
    query       TEXT    NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        TEXT    NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      TEXT,          -- JSON: who, why and when; NULL while it may run
    rebuild     TEXT,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    TEXT    NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_by_role ON leftfold_projections (name, role);

-- A generation's checkpoints: every event up to the position is applied to the rows whose keys fall into the buckets from
-- first to last, of 64. They move by compare-and-set. Whoever holds the lease does the work; the fence rises with each
-- claim, split and merge, so that a former holder's compare-and-set fails.
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

INSERT INTO leftfold_projections (name, generation, version, role, tables, query, rebuild, begun_at)
SELECT c.name, 1, c.version, 'live', '[]', '{}', c.rebuild, c.updated_at FROM leftfold_checkpoints c
 WHERE NOT EXISTS (SELECT 1 FROM leftfold_checkpoints n WHERE n.name = c.name AND n.version > c.version);
INSERT INTO leftfold_partitions (name, generation, first, last, position, event_id, epoch, updated_at)
SELECT c.name, 1, 0, 63, c.position, c.event_id, c.epoch, c.updated_at FROM leftfold_checkpoints c
  JOIN leftfold_projections p ON p.name = c.name AND p.version = c.version;
DROP TABLE leftfold_checkpoints;
