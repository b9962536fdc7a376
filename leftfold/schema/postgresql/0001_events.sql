-- CACHE 1: a session with cached values would draw them after later ones.
CREATE SEQUENCE {schema}.position CACHE 1;
CREATE TABLE {schema}.events (
    position       bigint      PRIMARY KEY,
    stream         text        COLLATE "C" NOT NULL,
    version        bigint      NOT NULL,
    id             uuid        NOT NULL,
    type           text        COLLATE "C" NOT NULL,
    schema_version int         NOT NULL,
    data           json        NOT NULL, -- json, not jsonb: it comes back byte for byte
    metadata       json        NOT NULL,
    tags           text[]      NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX events_stream_version ON {schema}.events (stream, version);
CREATE UNIQUE INDEX events_id ON {schema}.events (id);
CREATE INDEX events_type_position ON {schema}.events (type, position);
