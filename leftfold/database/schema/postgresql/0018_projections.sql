-- What is known of projections. A generation is one building of a projection's rows from history: the live one is what
-- views show, a shadow is being built beside it, the former one is kept for going back. Their tables are named after it.
CREATE TABLE {schema}.projections (
    name        text COLLATE "C" NOT NULL,
    generation  int  NOT NULL,
    version     int  NOT NULL,
    role        text NOT NULL CHECK (role IN ('live', 'shadow', 'former')),
    fingerprint text,          -- of the code and fields that its rows were made by; NULL: whoever comes first says
    tables      text NOT NULL, -- JSON: the names of its tables when it is live
    query       text NOT NULL, -- JSON: which events it is about, for tools that have no code
    mode        text NOT NULL DEFAULT 'async' CHECK (mode IN ('async', 'inline')),
    paused      text,          -- JSON: who, why and when; NULL while it may run
    rebuild     text,          -- why its rows do not follow from the log any more; the next run rebuilds them
    begun_at    text NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_by_role ON {schema}.projections (name, role);

-- A generation's checkpoints: every event up to the position is applied to the rows whose keys fall into the buckets from
-- first to last, of 64. They move by compare-and-set. Whoever holds the lease does the work; the fence rises with each
-- claim, split and merge, so that a former holder's compare-and-set fails.
CREATE TABLE {schema}.partitions (
    name        text   COLLATE "C" NOT NULL,
    generation  int    NOT NULL,
    first       int    NOT NULL,
    last        int    NOT NULL,
    position    bigint NOT NULL,
    event_id    text,  -- of the event at that position; NULL before the first
    epoch       int    NOT NULL,
    store       text,  -- whose log it is, where that is another store than this
    updated_at  text   NOT NULL,
    applied     bigint NOT NULL DEFAULT 0, -- how many events since it began
    rate        double precision NOT NULL DEFAULT 0, -- events a second, lately, while it had some
    fence       bigint NOT NULL DEFAULT 0,
    owner       text,  -- the worker that holds the lease
    lease_until text,
    failure     text,  -- JSON: the event in front of which it stands still, and why
    PRIMARY KEY (name, generation, first)
);
CREATE INDEX partitions_by_owner ON {schema}.partitions (owner);

INSERT INTO {schema}.projections (name, generation, version, role, tables, query, rebuild, begun_at)
SELECT c.name, 1, c.version, 'live', '[]', '{}', c.rebuild, c.updated_at FROM {schema}.checkpoints c
 WHERE NOT EXISTS (SELECT 1 FROM {schema}.checkpoints n WHERE n.name = c.name AND n.version > c.version);
INSERT INTO {schema}.partitions (name, generation, first, last, position, event_id, epoch, updated_at)
SELECT c.name, 1, 0, 63, c.position, c.event_id, c.epoch, c.updated_at FROM {schema}.checkpoints c
  JOIN {schema}.projections p ON p.name = c.name AND p.version = c.version;
DROP TABLE {schema}.checkpoints;
