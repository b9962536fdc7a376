-- Advisory locks, in the two-key form. The first key, the space, is the oid of a relation of this schema, so that locks
-- of other applications and of other schemas never collide with ours. The second key says what is locked:
--
--   space       function          second key                                       taken by
--   events      horizon_space_v1  low 32 bits of the sequence's last value         an append, shared; head_v1 reads them
--   migrations  stream_space_v1   hash of a stream's name                          an append to it, exclusive
--   event_tags  log_space_v1      0: the whole log                                 an append, shared; a change of the
--                                                                                  inline set, or a condition about
--                                                                                  the whole log, exclusive
--                                 positive: hash of a type; negative: of a tag     an append of such an event, shared; a
--                                                                                  condition about it, exclusive
--   position    listener_space_v1 0                                                a process that listens, shared
--   inline_set  row_space_v1      hash of a projection and a key                   an append that writes the row, exclusive
--
-- Streams have the oid of a table and not of their index: REINDEX CONCURRENTLY gives an index another oid, and sessions
-- from before and after it would no longer exclude each other.
CREATE FUNCTION {schema}.horizon_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.events'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.stream_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.migrations'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.log_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.event_tags'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.listener_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.position'::regclass::oid::bigint::bit(32)::int $$;
CREATE FUNCTION {schema}.row_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.inline_set'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION {schema}.type_key_v1(type text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 1 + (hashtextextended(type, 1) & 1073741823)::int $$;
CREATE FUNCTION {schema}.tag_key_v1(tag text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT -1 - (hashtextextended(tag, 2) & 1073741823)::int $$;
