CREATE TABLE {schema}.snapshots (
    stream       text   COLLATE "C" PRIMARY KEY,
    version      bigint NOT NULL,
    position     bigint NOT NULL,
    occurred_max text   NOT NULL, -- the latest occurred_at among the events folded in; fixed-width UTC
    recorded_max text   NOT NULL,
    state        text   NOT NULL, -- JSON
    fingerprint  text   NOT NULL, -- of the state's fields; a snapshot with another one is ignored
    created_at   text   NOT NULL
);
