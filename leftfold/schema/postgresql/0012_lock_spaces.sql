-- Advisory locks, in the two-key form. The first key, the space, is the oid of a table or sequence of this schema: locks of
-- other applications and schemas never collide with ours. (REINDEX CONCURRENTLY would change the oid of an index.)
--
--   space       function          second key                                      taken by
--   events      horizon_space_v1  low 32 bits of the sequence's last value        an append, shared; head_v1 reads them
--   migrations  stream_space_v1   hash of a stream's name                         an append to the stream, exclusive
--   event_tags  log_space_v1      0: the whole log                                an append, shared; a change of the inline
--                                                                                 set, a condition about all, exclusive
--                                 positive: hash of a type; negative: of a tag    an append of such an event, shared; a
--                                                                                 condition about it, exclusive
--   position    listener_space_v1 0                                               a listening process, shared
--   inline_set  row_space_v1      hash of a projection and a key                  an append that writes the row, exclusive
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
