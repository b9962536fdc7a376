-- Processes that run projections.
CREATE TABLE {schema}.workers (
    id         text PRIMARY KEY,
    host       text NOT NULL,
    pid        int  NOT NULL,
    serves     text NOT NULL, -- JSON: names of projections, and for each that it refuses to run, why
    started_at text NOT NULL,
    seen_at    text NOT NULL
);
