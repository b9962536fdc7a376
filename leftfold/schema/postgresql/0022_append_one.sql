-- The short way for a single event without tags and conditions, by far the commonest append: the steps and locks of
-- append_v1 with scalars, and few expressions, because each costs a microsecond or two. status: 0 stored, 5 busy. It is null
-- if the version does not fit or there are inline projections; an id that is stored already meets the unique index. Then
-- nothing has been stored, and append_v1 must judge.
CREATE FUNCTION {schema}.append_one_v1(
    p_wait bool, p_stream text, p_expected bigint, p_id uuid, p_type text, p_schema_version int,
    p_data json, p_metadata json, p_occurred timestamptz,
    OUT status int, OUT version bigint, OUT "position" bigint, OUT listened bool
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment timestamptz;
    locked text; -- nothing: an assignment costs less than PERFORM, which starts a query
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' OR current_setting('synchronous_commit') = 'off' THEN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
                USING ERRCODE = 'feature_not_supported';
        END IF;
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
    SELECT coalesce(e.version, 0) + 1, greatest(clock_timestamp(), e.recorded_at) -- never decreasing within a stream
      INTO version, moment
      FROM {schema}.inline_set s
      LEFT JOIN LATERAL (SELECT a.version, a.recorded_at FROM {schema}.events a
                          WHERE a.stream = p_stream AND a.version >= p_expected -- so that less of the index is read
                          ORDER BY a.version DESC LIMIT 1) e ON true
     WHERE s.digest = ''
       AND (p_expected = -1 OR p_expected = coalesce(e.version, 0) OR p_expected = -2 AND e.version > 0);
    IF version IS NULL THEN
        RETURN;
    END IF;
    -- The horizon's lock must be held before the position is drawn, or head_v1 would pass this event: a CASE evaluates its
    -- condition first. (The lock function returns void, which is not null.)
    position := CASE WHEN pg_advisory_xact_lock_shared(
                              {schema}.horizon_space_v1(),
                              coalesce(pg_sequence_last_value('{schema}.position'::regclass), 0)::bit(32)::int
                          ) IS NOT NULL THEN nextval('{schema}.position') END;
    INSERT INTO {schema}.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    VALUES (append_one_v1.position, p_stream, append_one_v1.version, p_id, p_type, p_schema_version, p_data, p_metadata,
            '{}', coalesce(p_occurred, moment), moment)
    RETURNING 0, NOT (pg_try_advisory_lock({schema}.listener_space_v1(), 0)
                      AND pg_advisory_unlock({schema}.listener_space_v1(), 0)) -- listened_v1
      INTO status, listened;
END $$;
-- jit: inline_set has no index, and a disabled seqscan counts as so costly that PostgreSQL would compile the query.
ALTER FUNCTION {schema}.append_one_v1 SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off;
