-- A generation's checkpoints: every event up to the position is applied to the rows with keys in the buckets from first to
-- last, of 64. The worker with the lease moves them by compare-and-set. Each claim, split and merge raises the fence, so
-- that a former holder's compare-and-set fails.
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
