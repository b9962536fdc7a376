-- Advisory locks in the two-key form; the first key is the oid of one of our own relations, so that nobody else's locks,
-- nor another schema's, are ever taken for ours.
--   events                 the horizon: the low 32 bits of the sequence's last value, shared
--   events_stream_version  streams: a hash of the name, exclusive
CREATE FUNCTION {schema}.horizon_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.events'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.stream_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.events_stream_version'::regclass::oid::bigint::bit(32)::int $$;
