-- Events set aside: one that could not be applied to a key's row (error says why), and those of the same key behind it.
CREATE TABLE {schema}.parked (
    name        text   COLLATE "C" NOT NULL,
    generation  int    NOT NULL,
    key         text   COLLATE "C" NOT NULL, -- JSON
    position    bigint NOT NULL,
    event_id    text   NOT NULL,
    stream      text   NOT NULL,
    type        text   NOT NULL,
    error       text,  -- NULL: it only waits behind the one that has one
    traceback   text,
    parked_at   text   NOT NULL,
    PRIMARY KEY (name, generation, key, position)
);

-- What people have done to projections: paused, skipped an event, rebuilt, …
CREATE TABLE {schema}.projection_acts (
    id      text PRIMARY KEY, -- a UUID that grows
    name    text NOT NULL,
    act     text NOT NULL,
    who     text NOT NULL,
    why     text NOT NULL,
    details text NOT NULL, -- JSON
    done_at text NOT NULL
);

-- Processes that run projections.
CREATE TABLE {schema}.workers (
    id         text PRIMARY KEY,
    host       text NOT NULL,
    pid        int  NOT NULL,
    serves     text NOT NULL, -- JSON: names of projections, and for each that it refuses to run, why
    started_at text NOT NULL,
    seen_at    text NOT NULL
);
