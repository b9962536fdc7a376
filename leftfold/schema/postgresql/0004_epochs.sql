-- The store's identity and its epochs; the last row is the present one. An epoch begins when a restore may have lost a tail
-- of the log, or a copy becomes another store. What an older epoch wrote beyond this position is not history here.
CREATE TABLE {schema}.epochs (
    epoch    int    PRIMARY KEY,
    store    uuid   NOT NULL, -- the store's identity in this epoch
    position bigint NOT NULL, -- of the last event when it began
    event_id uuid,            -- of that event; NULL in an empty log
    reason   text   NOT NULL,
    began_at text   NOT NULL  -- fixed-width UTC
);
INSERT INTO {schema}.epochs VALUES (1, gen_random_uuid(), 0, NULL, 'the store was made',
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
