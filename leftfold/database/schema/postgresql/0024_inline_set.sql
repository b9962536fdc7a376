-- Which projections are maintained inline, in the append's own transaction. One row: every append brings the digest of the
-- set that its process knows, and is refused if it is another, so that nobody writes past a row. Read under the lock of
-- the whole log, which whoever changes it takes exclusively.
CREATE TABLE {schema}.inline_set (
    digest  text NOT NULL, -- empty for the empty set
    members text NOT NULL  -- a JSON array of [name, version]
);
INSERT INTO {schema}.inline_set VALUES ('', '[]');

-- More advisory locks, see 0006 and 0011:
--   inline_set  rows of read models: a hash of projection and key, exclusive
CREATE FUNCTION {schema}.row_space_v1() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT '{schema}.inline_set'::regclass::oid::bigint::bit(32)::int $$;
