-- The commonest append by far, one event without tags and conditions, takes a short way through the steps of append_v3,
-- with the same locks and scalars in place of arrays. If its version does not fit, or there are inline projections, status
-- is null; if its id is stored already, the unique index refuses it. Either way nothing has been done, and append_v3 is to
-- judge. status: 0 stored, 5 busy.
DROP FUNCTION {schema}.append_one_v1;
CREATE FUNCTION {schema}.append_one_v2(
    p_wait bool, p_stream text, p_expected bigint, p_id uuid, p_type text, p_schema_version int,
    p_data text, p_metadata text, p_occurred timestamptz,
    OUT status int, OUT version bigint, OUT "position" bigint, OUT listened bool
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    tail    record;
    moment  timestamptz;
    settled bigint;
    locked  text; -- nothing: an assignment costs less than PERFORM, which starts a query
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true); -- acknowledged means flushed, whatever the default
    END IF;
    IF p_wait THEN
        locked := pg_advisory_xact_lock_shared({schema}.log_space_v1(), 0)::text;
        locked := pg_advisory_xact_lock({schema}.stream_space_v1(), hashtext(p_stream))::text;
        locked := pg_advisory_xact_lock_shared({schema}.log_space_v1(), {schema}.type_key_v1(p_type))::text;
    ELSIF NOT (pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), 0)
           AND pg_try_advisory_xact_lock({schema}.stream_space_v1(), hashtext(p_stream))
           AND pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), {schema}.type_key_v1(p_type))) THEN
        status := 5;
        RETURN;
    END IF;
    SELECT e.version, e.recorded_at, s.digest INTO tail
      FROM {schema}.inline_set s
      LEFT JOIN LATERAL (SELECT a.version, a.recorded_at FROM {schema}.events a
                          WHERE a.stream = p_stream ORDER BY a.version DESC LIMIT 1) e ON true;
    version := coalesce(tail.version, 0) + 1;
    IF tail.digest IS DISTINCT FROM ''
       OR NOT (p_expected = -1 OR p_expected = version - 1 OR (p_expected = -2 AND version > 1)) THEN
        RETURN;
    END IF;
    moment := greatest(clock_timestamp(), tail.recorded_at); -- never decreasing within a stream, whatever the clock does
    settled := coalesce(pg_sequence_last_value('{schema}.position'::regclass), 0);
    locked := pg_advisory_xact_lock_shared({schema}.horizon_space_v1(), settled::bit(32)::int)::text;
    position := nextval('{schema}.position');
    INSERT INTO {schema}.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    VALUES (append_one_v2.position, p_stream, append_one_v2.version, p_id, p_type, p_schema_version, p_data::json,
            p_metadata::json, '{}', coalesce(p_occurred, moment), moment);
    status := 0;
    listened := {schema}.listened_v1();
END $$;
ALTER FUNCTION {schema}.append_one_v2 SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION {schema}.append_one_v2 SET enable_seqscan = off;
ALTER FUNCTION {schema}.append_one_v2 SET jit = off;
