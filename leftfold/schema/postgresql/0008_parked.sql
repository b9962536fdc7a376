-- Events set aside: an event that could not be applied to a key's row, with its error, and the key's later events.
CREATE TABLE {schema}.parked (
    name        text   COLLATE "C" NOT NULL,
    generation  int    NOT NULL,
    key         text   COLLATE "C" NOT NULL, -- JSON
    position    bigint NOT NULL,
    event_id    text   NOT NULL,
    stream      text   NOT NULL,
    type        text   NOT NULL,
    error       text,  -- NULL: it waits behind the failed event
    traceback   text,
    parked_at   text   NOT NULL,
    PRIMARY KEY (name, generation, key, position)
);
