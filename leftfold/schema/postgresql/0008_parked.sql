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
