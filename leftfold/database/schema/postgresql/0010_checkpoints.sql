CREATE TABLE {schema}.checkpoints (
    name       text   COLLATE "C" NOT NULL,
    version    int    NOT NULL,
    position   bigint NOT NULL,
    event_id   text, -- of the event at that position; NULL before the first
    updated_at text   NOT NULL,
    PRIMARY KEY (name, version)
);
