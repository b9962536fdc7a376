-- The horizon: the position of the last settled event. Nothing at or below it can still appear.
--
-- Before it draws positions, a writer takes a shared lock that encodes L, the sequence's last value: its positions are all
-- above L. So nothing at or below min(U, every L held) is still on its way, where U is the last value read before the
-- locks. PostgreSQL makes a commit visible before it releases its locks, hence the new snapshot of the last statement.
-- The result is a committed event's position, not that minimum: after a crash the sequence falls back to what was flushed.
-- A follower that remembered a number beyond that would skip the events written there next.
CREATE FUNCTION {schema}.head_v1() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    upper    bigint;
    distance bigint;
    horizon  bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'leftfold: the horizon needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'leftfold: a standby does not know the horizon' USING ERRCODE = 'feature_not_supported';
    END IF;
    upper := coalesce(pg_sequence_last_value('{schema}.position'::regclass), 0);
    SELECT min((l.objid::bigint - upper)::bit(32)::int) INTO distance
      FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = '{schema}.events'::regclass::oid
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    SELECT e.position INTO horizon
      FROM {schema}.events e
     WHERE e.position <= upper + least(distance, 0)
     ORDER BY e.position DESC LIMIT 1;
    RETURN coalesce(horizon, 0);
END $$;
ALTER FUNCTION {schema}.head_v1 SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off;
