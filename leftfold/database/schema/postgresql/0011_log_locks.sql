-- More advisory locks, see 0006:
--   event_tags  the log: what a condition and the appends that it is about meet at. 0 is the whole log, positive keys
--               are types, negative ones tags. Appends hold them shared, conditions exclusively.
--   position    whoever listens for new events holds 0, shared, as long as it does
CREATE FUNCTION {schema}.log_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.event_tags'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.listener_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.position'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.type_key_v1(type text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 1 + (hashtextextended(type, 1) & 1073741823)::int $$;
CREATE FUNCTION {schema}.tag_key_v1(tag text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT -1 - (hashtextextended(tag, 2) & 1073741823)::int $$;
-- Streams have the oid of a table, in place of an index's (0006): REINDEX CONCURRENTLY gives an index another one, and then
-- sessions from before and after it would no longer meet.
--   migrations streams: a hash of the name, exclusive
CREATE OR REPLACE FUNCTION {schema}.stream_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.migrations'::regclass::oid::bigint::bit(32)::int $$;
