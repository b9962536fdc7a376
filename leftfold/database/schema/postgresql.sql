CREATE SCHEMA leftfold;

CREATE FUNCTION leftfold.append_joined_v2(p_together boolean, p_wait boolean, p_unless jsonb[], p_after bigint[], p_seen text[], p_streams text[], p_expected bigint[], p_counts integer[], p_ids uuid[], p_types text[], p_schema_versions integer[], p_datas text[], p_metadatas text[], p_tags text[], p_occurred timestamp with time zone[], p_inline text, p_rows text[], OUT statuses integer[], OUT versions bigint[], OUT positions bigint[], OUT listened boolean, OUT event_positions bigint[], OUT recorded timestamp with time zone, OUT refusal text) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    isolation text := current_setting('transaction_isolation');
    fixed     bool := isolation <> 'read committed';
    attempts  int := CASE WHEN fixed THEN 1 ELSE 3 END;
    status    int;
BEGIN
    IF fixed AND (p_unless IS NOT NULL OR p_inline <> '') THEN
        status := 8;
        refusal := isolation;
        attempts := 0;
    ELSIF fixed THEN
        PERFORM set_config('leftfold.joined', 'on', true);
    END IF;
    FOR attempt IN 1 .. attempts LOOP
        BEGIN
            SELECT a.statuses, a.versions, a.positions, a.listened, a.event_positions, a.recorded
              INTO statuses, versions, positions, listened, event_positions, recorded
              FROM leftfold.append_v3(p_together, p_wait, p_unless, p_after, p_seen, p_streams, p_expected, p_counts,
                                      p_ids, p_types, p_schema_versions, p_datas, p_metadatas, p_tags, p_occurred,
                                      p_inline, p_rows) a;
            status := NULL;
            EXIT;
        EXCEPTION
            WHEN unique_violation THEN
                status := 6;
            WHEN data_exception OR program_limit_exceeded THEN
                status := 7;
                refusal := SQLERRM;
                EXIT;
        END;
    END LOOP;
    IF fixed THEN
        PERFORM set_config('leftfold.joined', '', true);
    END IF;
    IF status IS NOT NULL THEN
        statuses := array_fill(status, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0::bigint, ARRAY[cardinality(p_streams)]);
        positions := versions;
    END IF;
END $$;

CREATE FUNCTION leftfold.append_joined_v3(p_together boolean, p_wait boolean, p_unless jsonb[], p_firsts text[], p_after bigint[], p_seen text[], p_streams text[], p_expected bigint[], p_counts integer[], p_ids uuid[], p_types text[], p_schema_versions integer[], p_datas text[], p_metadatas text[], p_tags text[], p_occurred timestamp with time zone[], p_inline text, p_rows text[], OUT statuses integer[], OUT versions bigint[], OUT positions bigint[], OUT listened boolean, OUT event_positions bigint[], OUT recorded timestamp with time zone, OUT refusal text) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    isolation text := current_setting('transaction_isolation');
    fixed     bool := isolation <> 'read committed';
    attempts  int := CASE WHEN fixed THEN 1 ELSE 3 END;
    status    int;
BEGIN
    IF fixed AND (p_unless IS NOT NULL OR p_inline <> '') THEN
        status := 8;
        refusal := isolation;
        attempts := 0;
    ELSIF fixed THEN
        PERFORM set_config('leftfold.joined', 'on', true);
    END IF;
    FOR attempt IN 1 .. attempts LOOP
        BEGIN
            SELECT a.statuses, a.versions, a.positions, a.listened, a.event_positions, a.recorded
              INTO statuses, versions, positions, listened, event_positions, recorded
              FROM leftfold.append_v4(p_together, p_wait, p_unless, p_firsts, p_after, p_seen, p_streams, p_expected, p_counts,
                                      p_ids, p_types, p_schema_versions, p_datas, p_metadatas, p_tags, p_occurred,
                                      p_inline, p_rows) a;
            status := NULL;
            EXIT;
        EXCEPTION
            WHEN unique_violation THEN
                status := 6;
            WHEN data_exception OR program_limit_exceeded THEN
                status := 7;
                refusal := SQLERRM;
                EXIT;
        END;
    END LOOP;
    IF fixed THEN
        PERFORM set_config('leftfold.joined', '', true);
    END IF;
    IF status IS NOT NULL THEN
        statuses := array_fill(status, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0::bigint, ARRAY[cardinality(p_streams)]);
        positions := versions;
    END IF;
END $$;

CREATE FUNCTION leftfold.append_one_v2(p_wait boolean, p_stream text, p_expected bigint, p_id uuid, p_type text, p_schema_version integer, p_data text, p_metadata text, p_occurred timestamp with time zone, OUT status integer, OUT version bigint, OUT "position" bigint, OUT listened boolean) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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
        locked := pg_advisory_xact_lock_shared(leftfold.log_space_v1(), 0)::text;
        locked := pg_advisory_xact_lock(leftfold.stream_space_v1(), hashtext(p_stream))::text;
        locked := pg_advisory_xact_lock_shared(leftfold.log_space_v1(), leftfold.type_key_v1(p_type))::text;
    ELSIF NOT (pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), 0)
           AND pg_try_advisory_xact_lock(leftfold.stream_space_v1(), hashtext(p_stream))
           AND pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), leftfold.type_key_v1(p_type))) THEN
        status := 5;
        RETURN;
    END IF;
    SELECT e.version, e.recorded_at, s.digest INTO tail
      FROM leftfold.inline_set s
      LEFT JOIN LATERAL (SELECT a.version, a.recorded_at FROM leftfold.events a
                          WHERE a.stream = p_stream ORDER BY a.version DESC LIMIT 1) e ON true;
    version := coalesce(tail.version, 0) + 1;
    IF tail.digest IS DISTINCT FROM ''
       OR NOT (p_expected = -1 OR p_expected = version - 1 OR (p_expected = -2 AND version > 1)) THEN
        RETURN;
    END IF;
    moment := greatest(clock_timestamp(), tail.recorded_at); -- never decreasing within a stream, whatever the clock does
    settled := coalesce(pg_sequence_last_value('leftfold.position'::regclass), 0);
    locked := pg_advisory_xact_lock_shared(leftfold.horizon_space_v1(), settled::bit(32)::int)::text;
    position := nextval('leftfold.position');
    INSERT INTO leftfold.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    VALUES (append_one_v2.position, p_stream, append_one_v2.version, p_id, p_type, p_schema_version, p_data::json,
            p_metadata::json, '{}', coalesce(p_occurred, moment), moment);
    status := 0;
    listened := leftfold.listened_v1();
END $$;

CREATE FUNCTION leftfold.append_one_v3(p_wait boolean, p_stream text, p_expected bigint, p_id uuid, p_type text, p_schema_version integer, p_data json, p_metadata json, p_occurred timestamp with time zone, OUT status integer, OUT version bigint, OUT "position" bigint, OUT listened boolean) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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
        locked := pg_advisory_xact_lock_shared(leftfold.log_space_v1(), 0)::text;
        locked := pg_advisory_xact_lock(leftfold.stream_space_v1(), hashtext(p_stream))::text;
        locked := pg_advisory_xact_lock_shared(leftfold.log_space_v1(), leftfold.type_key_v1(p_type))::text;
    ELSIF NOT (pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), 0)
           AND pg_try_advisory_xact_lock(leftfold.stream_space_v1(), hashtext(p_stream))
           AND pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), leftfold.type_key_v1(p_type))) THEN
        status := 5;
        RETURN;
    END IF;
    SELECT coalesce(e.version, 0) + 1, greatest(clock_timestamp(), e.recorded_at) -- never decreasing within a stream
      INTO version, moment
      FROM leftfold.inline_set s
      LEFT JOIN LATERAL (SELECT a.version, a.recorded_at FROM leftfold.events a
                          WHERE a.stream = p_stream AND a.version >= p_expected -- so that less of the index is read
                          ORDER BY a.version DESC LIMIT 1) e ON true
     WHERE s.digest = ''
       AND (p_expected = -1 OR p_expected = coalesce(e.version, 0) OR p_expected = -2 AND e.version > 0);
    IF version IS NULL THEN
        RETURN;
    END IF;
    position := CASE WHEN pg_advisory_xact_lock_shared( -- first the horizon's lock, and then the position
                              leftfold.horizon_space_v1(),
                              coalesce(pg_sequence_last_value('leftfold.position'::regclass), 0)::bit(32)::int
                          ) IS NOT NULL THEN nextval('leftfold.position') END;
    INSERT INTO leftfold.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    VALUES (append_one_v3.position, p_stream, append_one_v3.version, p_id, p_type, p_schema_version, p_data, p_metadata,
            '{}', coalesce(p_occurred, moment), moment)
    RETURNING 0, NOT (pg_try_advisory_lock(leftfold.listener_space_v1(), 0)
                      AND pg_advisory_unlock(leftfold.listener_space_v1(), 0)) -- listened_v1
      INTO status, listened;
END $$;

CREATE FUNCTION leftfold.append_v3(p_together boolean, p_wait boolean, p_unless jsonb[], p_after bigint[], p_seen text[], p_streams text[], p_expected bigint[], p_counts integer[], p_ids uuid[], p_types text[], p_schema_versions integer[], p_datas text[], p_metadatas text[], p_tags text[], p_occurred timestamp with time zone[], p_inline text, p_rows text[], OUT statuses integer[], OUT versions bigint[], OUT positions bigint[], OUT listened boolean, OUT event_positions bigint[], OUT recorded timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    event_streams   text[] := '{}';
    event_versions  bigint[];
    event_moments   timestamptz[] := '{}';
    tail_versions   bigint[];
    tail_positions  bigint[];
    busy_log     bool;
    busy_streams int[];
    busy_keys    int[];
    busy_conditions int[];
    busy_rows    int[];
    waits    bool;      -- whether anybody is busy
    bypasses bool;      -- whether rows would be bypassed that others maintain
    watched  int[];     -- the keys that the append's condition is about
    written  int[] := '{}'; -- those of the events before it
    failing  bigint;    -- the event that its condition fails on
    tag      text;
    repeats  bool;
    moment   timestamptz;
    former   record;
    stored   int;       -- how many of the append's ids are stored already
    name     text;
    previous text;
    number   int := 0;  -- of the append
    start    int := 0;  -- how many events stand before its own
    count    int;
    expected bigint;
    current  bigint;    -- the stream's version
    place    bigint;    -- the position of its last event, or minus the number of an event whose position is not drawn yet
    accepted int := 0;
    settled  bigint;
    locked   text;      -- nothing: an assignment costs less than PERFORM, which starts a query
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
       AND current_setting('leftfold.joined', true) IS DISTINCT FROM 'on' THEN -- see append_joined_v2
        RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true); -- acknowledged means flushed, whatever the default
    END IF;

    SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows
      INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows
      FROM leftfold.take_locks_v2(p_wait, p_streams, p_types, p_tags, p_unless, p_rows) t;
    IF busy_log THEN
        statuses := array_fill(5, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0, ARRAY[cardinality(p_streams)]);
        positions := versions;
        RETURN;
    END IF;
    waits := busy_streams IS NOT NULL OR busy_keys IS NOT NULL OR busy_rows IS NOT NULL;

    IF current_setting('transaction_isolation') <> 'read committed' THEN -- a set newer than the snapshot is a conflict
        PERFORM 1 FROM leftfold.inline_set s FOR SHARE;
    END IF;
    SELECT (SELECT s.digest FROM leftfold.inline_set s) IS DISTINCT FROM p_inline,
           EXISTS (SELECT 1 FROM leftfold.events e WHERE e.id = ANY (p_ids))
      INTO bypasses, repeats;
    SELECT array_agg(coalesce(t.version, 0)), array_agg(coalesce(t.position, 0)),
           greatest(clock_timestamp(), max(t.recorded_at)) -- never decreasing within a stream, whatever the clock does
      INTO tail_versions, tail_positions, moment
      FROM unnest(p_streams) s(stream)
      LEFT JOIN LATERAL (SELECT e.version, e.position, e.recorded_at FROM leftfold.events e
                          WHERE e.stream = s.stream ORDER BY e.version DESC LIMIT 1) t ON true;
    recorded := moment;
    event_versions := array_fill(NULL::bigint, ARRAY[cardinality(p_ids)]);
    FOREACH name IN ARRAY p_streams LOOP
        number := number + 1;
        count := p_counts[number];
        expected := p_expected[number];
        IF name IS DISTINCT FROM previous THEN
            current := tail_versions[number];
            place := tail_positions[number];
            previous := name;
        END IF;
        FOR i IN start + 1 .. start + count LOOP
            event_streams[i] := name;
            event_moments[i] := moment;
        END LOOP;
        IF NOT p_together THEN -- what was recorded at one moment is one call
            moment := moment + interval '1 microsecond';
        END IF;
        stored := 0;
        IF p_unless[number] IS NOT NULL AND (accepted > 0 OR busy_conditions IS NOT NULL) THEN
            watched := leftfold.condition_keys_v1(p_unless[number]);
        ELSE
            watched := NULL;
        END IF;
        IF watched && busy_conditions OR watched && written OR (0 = ANY (watched) AND accepted > 0)
           OR waits AND (hashtext(name) = ANY (busy_streams) OR p_rows[number]::int[] && busy_rows OR EXISTS (
               SELECT 1 FROM unnest(p_types[start + 1 : start + count], p_tags[start + 1 : start + count]) u(type, tags)
                WHERE leftfold.type_key_v1(u.type) = ANY (busy_keys)
                   OR EXISTS (SELECT 1 FROM unnest(u.tags::text[]) g(tag)
                               WHERE leftfold.tag_key_v1(g.tag) = ANY (busy_keys)))) THEN
            statuses[number] := 5;
            versions[number] := 0;
            positions[number] := 0;
            start := start + count;
            CONTINUE;
        END IF;
        IF repeats AND count > 0 THEN
            SELECT count(*) AS found,
                   count(*) FILTER (WHERE e.stream = name AND e.type = g.type AND e.data::text = g.data) AS same,
                   array_agg(g.number ORDER BY e.position) AS numbers,
                   min(e.version) AS first, max(e.version) AS last, max(e.position) AS position
              INTO former
              FROM unnest(p_ids[start + 1 : start + count], p_types[start + 1 : start + count],
                          p_datas[start + 1 : start + count]) WITH ORDINALITY g(id, type, data, number)
              JOIN leftfold.events e ON e.id = g.id;
            stored := former.found;
        END IF;
        IF stored > 0 THEN
            IF former.same = count AND former.last - former.first = count - 1
               AND former.numbers = ARRAY(SELECT generate_series(1, count)::bigint) THEN
                statuses[number] := 1;
                versions[number] := former.last;
                positions[number] := former.position;
            ELSE
                statuses[number] := 3;
                versions[number] := current;
                positions[number] := place;
            END IF;
        ELSIF bypasses THEN
            statuses[number] := 9;
            versions[number] := current;
            positions[number] := place;
        ELSIF expected = -1 OR expected = current OR (expected = -2 AND current > 0) THEN
            IF p_unless IS NOT NULL AND NOT p_together THEN
                failing := leftfold.first_match_v2(p_unless[number], p_after[number], p_seen[number]::bigint[]);
            END IF;
            IF failing IS NOT NULL THEN
                statuses[number] := 4;
                versions[number] := current;
                positions[number] := failing;
                start := start + count;
                CONTINUE;
            END IF;
            FOR i IN 1 .. count LOOP
                event_versions[start + i] := current + i;
            END LOOP;
            IF count > 0 THEN
                current := current + count;
                place := -(start + count);
            END IF;
            accepted := accepted + count;
            statuses[number] := 0;
            versions[number] := current;
            positions[number] := place;
            IF p_unless IS NOT NULL AND NOT p_together THEN
                FOR i IN start + 1 .. start + count LOOP
                    written := array_append(written, leftfold.type_key_v1(p_types[i]));
                    IF p_tags IS NOT NULL THEN
                        FOREACH tag IN ARRAY p_tags[i]::text[] LOOP
                            written := array_append(written, leftfold.tag_key_v1(tag));
                        END LOOP;
                    END IF;
                END LOOP;
            END IF;
        ELSE
            statuses[number] := 2;
            versions[number] := current;
            positions[number] := place;
        END IF;
        start := start + count;
    END LOOP;

    IF p_together AND repeats THEN -- only a whole former call is a repeat; those of one call share recorded_at
        IF EXISTS (SELECT 1 FROM unnest(statuses, p_counts) u(status, count) WHERE u.count > 0 AND u.status <> 1)
           OR (SELECT count(DISTINCT e.recorded_at) > 1 FROM leftfold.events e WHERE e.id = ANY (p_ids)) THEN
            statuses := array_fill(3, ARRAY[number]);
        ELSE
            statuses := array_fill(1, ARRAY[number]);
        END IF;
        RETURN;
    END IF;
    IF p_together AND (bypasses OR 2 = ANY (statuses)) THEN
        RETURN;
    END IF;
    IF p_together AND p_unless IS NOT NULL THEN
        failing := leftfold.first_match_v2(p_unless[1], p_after[1], p_seen[1]::bigint[]);
        IF failing IS NOT NULL THEN
            statuses := array_fill(4, ARRAY[number]);
            positions := array_fill(failing, ARRAY[number]);
            RETURN;
        END IF;
    END IF;
    IF accepted = 0 THEN
        RETURN;
    END IF;

    settled := coalesce(pg_sequence_last_value('leftfold.position'::regclass), 0);
    locked := pg_advisory_xact_lock_shared(leftfold.horizon_space_v1(), settled::bit(32)::int)::text;
    event_positions := event_versions;
    FOR i IN 1 .. start LOOP
        IF event_versions[i] IS NOT NULL THEN
            event_positions[i] := nextval('leftfold.position');
        END IF;
    END LOOP;
    INSERT INTO leftfold.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    SELECT g.position, g.stream, g.version, g.id, g.type, g.schema_version, g.data::json, g.metadata::json,
           coalesce(g.tags::text[], '{}'), coalesce(g.occurred_at, g.moment), g.moment
      FROM unnest(event_positions, event_streams, event_versions, event_moments, p_ids, p_types, p_schema_versions,
                  p_datas, p_metadatas, p_tags, p_occurred)
           AS g(position, stream, version, moment, id, type, schema_version, data, metadata, tags, occurred_at)
     WHERE g.version IS NOT NULL;
    IF p_tags IS NOT NULL THEN
        INSERT INTO leftfold.event_tags (tag, position)
        SELECT t.tag, g.position FROM unnest(p_tags, event_positions) g(tags, position), unnest(g.tags::text[]) t(tag)
         WHERE g.position IS NOT NULL;
    END IF;
    FOR i IN 1 .. number LOOP
        IF positions[i] < 0 THEN
            positions[i] := event_positions[-positions[i]];
        END IF;
    END LOOP;
    listened := leftfold.listened_v1();
END $$;

CREATE FUNCTION leftfold.append_v4(p_together boolean, p_wait boolean, p_unless jsonb[], p_firsts text[], p_after bigint[], p_seen text[], p_streams text[], p_expected bigint[], p_counts integer[], p_ids uuid[], p_types text[], p_schema_versions integer[], p_datas text[], p_metadatas text[], p_tags text[], p_occurred timestamp with time zone[], p_inline text, p_rows text[], OUT statuses integer[], OUT versions bigint[], OUT positions bigint[], OUT listened boolean, OUT event_positions bigint[], OUT recorded timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    event_streams   text[] := '{}';
    event_versions  bigint[];
    event_turns     int[] := '{}'; -- how many microseconds after the first append each is recorded; null: as many as events
    tail_versions   bigint[];
    tail_positions  bigint[];
    busy_log     bool;
    busy_streams int[];
    busy_keys    int[];
    busy_conditions int[];
    busy_rows    int[];
    crossing bool;      -- whether a condition may be about what an append before it writes
    fits     bool;      -- whether the appends are to different streams, which all have the expected version
    whole    bool;      -- whether the batch can be judged as a whole
    waits    bool;      -- whether anybody is busy
    bypasses bool;      -- whether rows would be bypassed that others maintain
    watched  int[];     -- the keys that the append's condition is about
    written  int[] := '{}'; -- those of the events before it
    failing  bigint;    -- the event that its condition fails on
    tag      text;
    repeats  bool;
    former   record;
    stored   int;       -- how many of the append's ids are stored already
    name     text;
    previous text;
    number   int := 0;  -- of the append
    start    int := 0;  -- how many events stand before its own
    count    int;
    expected bigint;
    current  bigint;    -- the stream's version
    place    bigint;    -- the position of its last event, or minus the number of an event whose position is not drawn yet
    accepted int := 0;
    settled  bigint;
    locked   text;      -- nothing: an assignment costs less than PERFORM, which starts a query
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
       AND current_setting('leftfold.joined', true) IS DISTINCT FROM 'on' THEN -- see append_joined_v3
        RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true); -- acknowledged means flushed, whatever the default
    END IF;

    IF p_wait OR p_unless IS NOT NULL AND p_firsts IS NULL THEN
        SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, p_unless IS NOT NULL
          INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
          FROM leftfold.take_locks_v2(p_wait, p_streams, p_types, p_tags, p_unless, p_rows) t;
    ELSE
        SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, t.crossing
          INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
          FROM leftfold.try_locks_v1(p_streams, p_types, p_tags, p_unless, p_firsts, p_rows) t;
    END IF;
    IF busy_log THEN
        statuses := array_fill(5, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0, ARRAY[cardinality(p_streams)]);
        positions := versions;
        RETURN;
    END IF;
    waits := busy_streams IS NOT NULL OR busy_keys IS NOT NULL OR busy_rows IS NOT NULL;

    IF current_setting('transaction_isolation') <> 'read committed' THEN -- a set newer than the snapshot is a conflict
        PERFORM 1 FROM leftfold.inline_set s FOR SHARE;
    END IF;
    SELECT (SELECT s.digest FROM leftfold.inline_set s) IS DISTINCT FROM p_inline,
           EXISTS (SELECT 1 FROM leftfold.events e WHERE e.id = ANY (p_ids))
      INTO bypasses, repeats;
    SELECT array_agg(coalesce(t.version, 0) + 1),
           bool_and(s.stream <> s.previous AND (
               s.expected = -1 OR s.expected = coalesce(t.version, 0) OR s.expected = -2 AND coalesce(t.version, 0) > 0)),
           greatest(clock_timestamp(), max(t.recorded_at)) -- never decreasing within a stream, whatever the clock does
      INTO event_versions, fits, recorded
      FROM unnest(p_streams, p_expected, ''::text || p_streams) s(stream, expected, previous)
      LEFT JOIN LATERAL (SELECT e.version, e.recorded_at FROM leftfold.events e
                          WHERE e.stream = s.stream AND e.version >= s.expected -- so that less of the index is read
                          ORDER BY e.version DESC LIMIT 1) t ON true
     WHERE s.stream IS NOT NULL; -- nothing sorts: the versions stay in the order of the streams
    whole := fits AND NOT (p_together OR waits OR repeats OR bypasses)
             AND cardinality(p_ids) = cardinality(p_streams) AND 1 = ALL (p_counts);
    IF whole AND p_unless IS NOT NULL THEN -- mostly nothing has come that has one of these tags at all
        whole := p_firsts IS NOT NULL AND busy_conditions IS NULL AND NOT crossing;
        IF whole THEN
            SELECT count(*) = 0 INTO whole
              FROM unnest(p_firsts, p_after) u(tags, after), unnest(u.tags::text[]) g(tag)
             CROSS JOIN LATERAL (SELECT 1 FROM leftfold.event_tags t
                                  WHERE t.tag = g.tag AND t.position > u.after LIMIT 1) t;
        END IF;
    END IF;
    IF whole THEN
        event_streams := p_streams;
        event_turns := NULL;
        start := cardinality(p_streams);
        statuses := array_fill(0, ARRAY[start]);
        versions := event_versions;
    ELSE
        SELECT array_agg(coalesce(t.version, 0)), array_agg(coalesce(t.position, 0)),
               greatest(clock_timestamp(), max(t.recorded_at))
          INTO tail_versions, tail_positions, recorded
          FROM unnest(p_streams) s(stream)
          LEFT JOIN LATERAL (SELECT e.version, e.position, e.recorded_at FROM leftfold.events e
                              WHERE e.stream = s.stream ORDER BY e.version DESC LIMIT 1) t ON true;
        event_versions := array_fill(NULL::bigint, ARRAY[cardinality(p_ids)]);
        FOREACH name IN ARRAY p_streams LOOP
            number := number + 1;
            count := p_counts[number];
            expected := p_expected[number];
            IF name IS DISTINCT FROM previous THEN
                current := tail_versions[number];
                place := tail_positions[number];
                previous := name;
            END IF;
            FOR i IN start + 1 .. start + count LOOP
                event_streams[i] := name;
                event_turns[i] := CASE WHEN p_together THEN 0 ELSE number - 1 END; -- what has one moment is one call
            END LOOP;
            stored := 0;
            IF p_unless[number] IS NOT NULL AND (accepted > 0 OR busy_conditions IS NOT NULL) THEN
                watched := leftfold.condition_keys_v1(p_unless[number]);
            ELSE
                watched := NULL;
            END IF;
            IF watched && busy_conditions OR watched && written OR (0 = ANY (watched) AND accepted > 0)
               OR waits AND (hashtext(name) = ANY (busy_streams) OR p_rows[number]::int[] && busy_rows OR EXISTS (
                   SELECT 1 FROM unnest(p_types[start + 1 : start + count], p_tags[start + 1 : start + count]) u(type, tags)
                    WHERE leftfold.type_key_v1(u.type) = ANY (busy_keys)
                       OR EXISTS (SELECT 1 FROM unnest(u.tags::text[]) g(tag)
                                   WHERE leftfold.tag_key_v1(g.tag) = ANY (busy_keys)))) THEN
                statuses[number] := 5;
                versions[number] := 0;
                positions[number] := 0;
                start := start + count;
                CONTINUE;
            END IF;
            IF repeats AND count > 0 THEN
                SELECT count(*) AS found,
                       count(*) FILTER (WHERE e.stream = name AND e.type = g.type AND e.data::text = g.data) AS same,
                       array_agg(g.number ORDER BY e.position) AS numbers,
                       min(e.version) AS first, max(e.version) AS last, max(e.position) AS position
                  INTO former
                  FROM unnest(p_ids[start + 1 : start + count], p_types[start + 1 : start + count],
                              p_datas[start + 1 : start + count]) WITH ORDINALITY g(id, type, data, number)
                  JOIN leftfold.events e ON e.id = g.id;
                stored := former.found;
            END IF;
            IF stored > 0 THEN
                IF former.same = count AND former.last - former.first = count - 1
                   AND former.numbers = ARRAY(SELECT generate_series(1, count)::bigint) THEN
                    statuses[number] := 1;
                    versions[number] := former.last;
                    positions[number] := former.position;
                ELSE
                    statuses[number] := 3;
                    versions[number] := current;
                    positions[number] := place;
                END IF;
            ELSIF bypasses THEN
                statuses[number] := 9;
                versions[number] := current;
                positions[number] := place;
            ELSIF expected = -1 OR expected = current OR (expected = -2 AND current > 0) THEN
                IF p_unless IS NOT NULL AND NOT p_together THEN
                    failing := leftfold.first_match_v2(p_unless[number], p_after[number], p_seen[number]::bigint[]);
                END IF;
                IF failing IS NOT NULL THEN
                    statuses[number] := 4;
                    versions[number] := current;
                    positions[number] := failing;
                    start := start + count;
                    CONTINUE;
                END IF;
                FOR i IN 1 .. count LOOP
                    event_versions[start + i] := current + i;
                END LOOP;
                IF count > 0 THEN
                    current := current + count;
                    place := -(start + count);
                END IF;
                accepted := accepted + count;
                statuses[number] := 0;
                versions[number] := current;
                positions[number] := place;
                IF p_unless IS NOT NULL AND NOT p_together THEN
                    FOR i IN start + 1 .. start + count LOOP
                        written := array_append(written, leftfold.type_key_v1(p_types[i]));
                        IF p_tags IS NOT NULL THEN
                            FOREACH tag IN ARRAY p_tags[i]::text[] LOOP
                                written := array_append(written, leftfold.tag_key_v1(tag));
                            END LOOP;
                        END IF;
                    END LOOP;
                END IF;
            ELSE
                statuses[number] := 2;
                versions[number] := current;
                positions[number] := place;
            END IF;
            start := start + count;
        END LOOP;

        IF p_together AND repeats THEN -- only a whole former call is a repeat; those of one call share recorded_at
            IF EXISTS (SELECT 1 FROM unnest(statuses, p_counts) u(status, count) WHERE u.count > 0 AND u.status <> 1)
               OR (SELECT count(DISTINCT e.recorded_at) > 1 FROM leftfold.events e WHERE e.id = ANY (p_ids)) THEN
                statuses := array_fill(3, ARRAY[number]);
            ELSE
                statuses := array_fill(1, ARRAY[number]);
            END IF;
            RETURN;
        END IF;
        IF p_together AND (bypasses OR 2 = ANY (statuses)) THEN
            RETURN;
        END IF;
        IF p_together AND p_unless IS NOT NULL THEN
            failing := leftfold.first_match_v2(p_unless[1], p_after[1], p_seen[1]::bigint[]);
            IF failing IS NOT NULL THEN
                statuses := array_fill(4, ARRAY[number]);
                positions := array_fill(failing, ARRAY[number]);
                RETURN;
            END IF;
        END IF;
        IF accepted = 0 THEN
            RETURN;
        END IF;
    END IF;

    settled := coalesce(pg_sequence_last_value('leftfold.position'::regclass), 0);
    locked := pg_advisory_xact_lock_shared(leftfold.horizon_space_v1(), settled::bit(32)::int)::text;
    event_positions := event_versions;
    FOR i IN 1 .. start LOOP
        IF event_versions[i] IS NOT NULL THEN
            event_positions[i] := nextval('leftfold.position');
        END IF;
    END LOOP;
    INSERT INTO leftfold.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    SELECT g.position, g.stream, g.version, g.id, g.type, g.schema_version, g.data::json, g.metadata::json,
           coalesce(g.tags::text[], '{}'), coalesce(g.occurred_at, m.moment), m.moment
      FROM unnest(event_positions, event_streams, event_versions, event_turns, p_ids, p_types, p_schema_versions, p_datas,
                  p_metadatas, p_tags, p_occurred) WITH ORDINALITY
           AS g(position, stream, version, turn, id, type, schema_version, data, metadata, tags, occurred_at, number),
           LATERAL (VALUES (append_v4.recorded + coalesce(g.turn, g.number - 1) * interval '1 microsecond')) m(moment)
     WHERE g.version IS NOT NULL;
    IF p_tags IS NOT NULL THEN
        INSERT INTO leftfold.event_tags (tag, position)
        SELECT t.tag, g.position FROM unnest(p_tags, event_positions) g(tags, position), unnest(g.tags::text[]) t(tag)
         WHERE g.position IS NOT NULL;
    END IF;
    IF positions IS NULL THEN
        positions := event_positions;
    END IF;
    FOR i IN 1 .. number LOOP
        IF positions[i] < 0 THEN
            positions[i] := event_positions[-positions[i]];
        END IF;
    END LOOP;
    listened := leftfold.listened_v1();
END $$;

CREATE FUNCTION leftfold.condition_keys_v1(p_unless jsonb) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
DECLARE
    keys   int[] := '{}';
    tagged text[];
    types  text[];
    one    text;
BEGIN
    FOR i IN 0 .. jsonb_array_length(p_unless) - 1 LOOP
        tagged := (p_unless -> i ->> 'tags')::text[];
        types := (p_unless -> i ->> 'types')::text[];
        IF cardinality(tagged) > 0 THEN
            keys := array_append(keys, leftfold.tag_key_v1(tagged[1]));
        ELSIF cardinality(types) > 0 THEN
            FOREACH one IN ARRAY types LOOP
                keys := array_append(keys, leftfold.type_key_v1(one));
            END LOOP;
        ELSE
            keys := array_append(keys, 0);
        END IF;
    END LOOP;
    RETURN keys;
END $$;

CREATE FUNCTION leftfold.first_match_v2(p_unless jsonb, p_after bigint, p_seen bigint[]) RETURNS bigint
    LANGUAGE plpgsql STRICT
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    AS $$
DECLARE
    criterion jsonb;
    rest      json;  -- the same, for within_v1
    types     text[];
    tagged    text[];
    anywhere  bool;  -- whether it says nothing that no index orders by
    one       text;
    found     bigint;
    first     bigint;
BEGIN
    FOR i IN 0 .. jsonb_array_length(p_unless) - 1 LOOP
        criterion := p_unless -> i;
        types := (criterion ->> 'types')::text[];
        tagged := (criterion ->> 'tags')::text[];
        anywhere := (criterion -> 'from') IS NULL AND (criterion -> 'occurred') IS NULL AND (criterion -> 'recorded') IS NULL;
        rest := CASE WHEN NOT anywhere THEN criterion::json END;
        IF cardinality(tagged) > 0 THEN
            CONTINUE WHEN NOT EXISTS (SELECT 1 FROM leftfold.event_tags t
                                       WHERE t.tag = tagged[1] AND t.position > p_after);
            SELECT t.position INTO found
              FROM leftfold.event_tags t
             CROSS JOIN LATERAL (SELECT * FROM leftfold.events a WHERE a.position = t.position OFFSET 0) e
             WHERE t.tag = tagged[1] AND t.position > p_after AND t.position <> ALL (p_seen)
               AND e.tags @> tagged AND (cardinality(types) = 0 OR e.type = ANY (types))
               AND (anywhere OR leftfold.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
             ORDER BY t.position LIMIT 1;
            first := least(first, found);
        ELSIF cardinality(types) > 0 THEN
            FOREACH one IN ARRAY types LOOP
                SELECT e.position INTO found
                  FROM leftfold.events e
                 WHERE e.type = one AND e.position > p_after AND e.position <> ALL (p_seen)
                   AND (anywhere OR leftfold.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
                 ORDER BY e.position LIMIT 1;
                first := least(first, found);
            END LOOP;
        ELSE
            SELECT e.position INTO found
              FROM leftfold.events e
             WHERE e.position > p_after AND e.position <> ALL (p_seen)
               AND (anywhere OR leftfold.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
             ORDER BY e.position LIMIT 1;
            first := least(first, found);
        END IF;
    END LOOP;
    RETURN first;
END $$;

CREATE FUNCTION leftfold.head_v1() RETURNS bigint
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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
    upper := coalesce(pg_sequence_last_value('leftfold.position'::regclass), 0);
    SELECT min((l.objid::bigint - upper)::bit(32)::int) INTO distance
      FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = 'leftfold.events'::regclass::oid
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    SELECT e.position INTO horizon
      FROM leftfold.events e
     WHERE e.position <= upper + least(distance, 0)
     ORDER BY e.position DESC LIMIT 1;
    RETURN coalesce(horizon, 0);
END $$;

CREATE FUNCTION leftfold.horizon_space_v1() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'leftfold.events'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION leftfold.listened_v1() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN NOT (pg_try_advisory_lock(leftfold.listener_space_v1(), 0)
                AND pg_advisory_unlock(leftfold.listener_space_v1(), 0));
END $$;

CREATE FUNCTION leftfold.listener_space_v1() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'leftfold.position'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION leftfold.log_space_v1() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'leftfold.event_tags'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION leftfold.refuse_change_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'leftfold: events are immutable; append a correcting event instead of %', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION leftfold.row_space_v1() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'leftfold.inline_set'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION leftfold.stream_space_v1() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'leftfold.migrations'::regclass::oid::bigint::bit(32)::int $$;

CREATE FUNCTION leftfold.survey_v1(p_position bigint, OUT head bigint, OUT head_id uuid, OUT found_id uuid, OUT store uuid, OUT epoch integer) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
BEGIN
    head := leftfold.head_v1();
    SELECT e.id INTO head_id FROM leftfold.events e WHERE e.position = head;
    IF p_position = head THEN
        found_id := head_id;
    ELSIF p_position > 0 THEN
        SELECT e.id INTO found_id FROM leftfold.events e WHERE e.position = p_position;
    END IF;
    SELECT s.store, s.epoch INTO store, epoch FROM leftfold.epochs s ORDER BY s.epoch DESC LIMIT 1;
END $$;

CREATE FUNCTION leftfold.tag_key_v1(tag text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT -1 - (hashtextextended(tag, 2) & 1073741823)::int $$;

CREATE FUNCTION leftfold.take_locks_v2(p_wait boolean, p_streams text[], p_types text[], p_tags text[], p_unless jsonb[], p_rows text[], OUT busy_log boolean, OUT busy_streams integer[], OUT busy_keys integer[], OUT busy_conditions integer[], OUT busy_rows integer[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    streams int[];
    keys    int[];
    modes   bool[]; -- exclusive?
    rows    int[];
    whole   bool;
BEGIN
    SELECT array_agg(s.key ORDER BY s.key) INTO streams
      FROM (SELECT DISTINCT hashtext(u.stream) FROM unnest(p_streams) u(stream)) s(key);
    IF p_unless IS NULL AND p_tags IS NULL THEN
        SELECT array_agg(t.key ORDER BY t.key) INTO keys
          FROM (SELECT DISTINCT leftfold.type_key_v1(u.type) FROM unnest(p_types) u(type)) t(key);
    ELSE
        SELECT array_agg(a.key ORDER BY a.key), array_agg(a.exclusive ORDER BY a.key) INTO keys, modes
          FROM (SELECT k.key, bool_or(k.exclusive)
                  FROM (SELECT leftfold.type_key_v1(u.type), false FROM unnest(p_types) u(type)
                        UNION ALL
                        SELECT leftfold.tag_key_v1(g.tag), false FROM unnest(p_tags) u(tags), unnest(u.tags::text[]) g(tag)
                        UNION ALL
                        SELECT c.key, true
                          FROM unnest(p_unless) u(unless), unnest(leftfold.condition_keys_v1(u.unless)) c(key)
                       ) k(key, exclusive)
                 GROUP BY k.key) a(key, exclusive);
    END IF;
    IF p_rows IS NOT NULL THEN
        SELECT array_agg(r.key ORDER BY r.key) INTO rows
          FROM (SELECT DISTINCT l.key FROM unnest(p_rows) u(keys), unnest(u.keys::int[]) l(key)) r;
    END IF;
    whole := coalesce(0 = ANY (keys), false)
             OR coalesce(cardinality(streams), 0) + coalesce(cardinality(keys), 0) + coalesce(cardinality(rows), 0) > 500;

    IF whole THEN
        IF p_wait THEN
            PERFORM pg_advisory_xact_lock(leftfold.log_space_v1(), 0);
        ELSE
            busy_log := NOT pg_try_advisory_xact_lock(leftfold.log_space_v1(), 0);
        END IF;
        RETURN;
    END IF;
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(leftfold.log_space_v1(), 0);
        PERFORM pg_advisory_xact_lock(leftfold.stream_space_v1(), s.key) FROM unnest(streams) s(key);
        FOR i IN 1 .. coalesce(cardinality(keys), 0) LOOP
            IF modes[i] THEN
                PERFORM pg_advisory_xact_lock(leftfold.log_space_v1(), keys[i]);
            ELSE
                PERFORM pg_advisory_xact_lock_shared(leftfold.log_space_v1(), keys[i]);
            END IF;
        END LOOP;
        FOR i IN 1 .. coalesce(cardinality(rows), 0) LOOP
            PERFORM pg_advisory_xact_lock(leftfold.row_space_v1(), rows[i]);
        END LOOP;
        RETURN;
    END IF;
    busy_log := NOT pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM unnest(streams) s(key) WHERE NOT pg_try_advisory_xact_lock(leftfold.stream_space_v1(), s.key);
    SELECT array_agg(l.key) FILTER (WHERE NOT l.taken), array_agg(l.key) FILTER (WHERE l.exclusive AND NOT l.alone)
      INTO busy_keys, busy_conditions
      FROM (SELECT a.*, CASE WHEN a.alone THEN true
                             ELSE pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), a.key) END AS taken
              FROM (SELECT k.*, CASE WHEN k.exclusive THEN pg_try_advisory_xact_lock(leftfold.log_space_v1(), k.key)
                                     ELSE false END AS alone
                      FROM unnest(keys, modes) k(key, exclusive) OFFSET 0) a OFFSET 0) l;
    IF rows IS NOT NULL THEN
        SELECT array_agg(r.key) INTO busy_rows
          FROM unnest(rows) r(key) WHERE NOT pg_try_advisory_xact_lock(leftfold.row_space_v1(), r.key);
    END IF;
END $$;

CREATE FUNCTION leftfold.try_locks_v1(p_streams text[], p_types text[], p_tags text[], p_unless jsonb[], p_firsts text[], p_rows text[], OUT busy_log boolean, OUT busy_streams integer[], OUT busy_keys integer[], OUT busy_conditions integer[], OUT busy_rows integer[], OUT crossing boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    written  int[] := '{}'; -- the keys of the tags of the events so far
    asked    int := coalesce(cardinality(p_streams), 0);
    previous text;
    one      text;
    key      int;
BEGIN
    busy_log := NOT pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM (SELECT hashtext(u.stream) FROM unnest(p_streams) u(stream)) s(key)
     WHERE NOT pg_try_advisory_xact_lock(leftfold.stream_space_v1(), s.key);
    IF p_rows IS NOT NULL THEN
        SELECT asked + coalesce(sum(cardinality(u.keys::int[])), 0) INTO asked FROM unnest(p_rows) u(keys);
    END IF;
    IF p_rows IS NOT NULL AND asked <= 500 THEN
        SELECT array_agg(l.key) INTO busy_rows
          FROM unnest(p_rows) u(keys), unnest(u.keys::int[]) l(key)
         WHERE NOT pg_try_advisory_xact_lock(leftfold.row_space_v1(), l.key);
    END IF;
    crossing := cardinality(p_firsts) <> cardinality(p_types); -- then who writes what is not told here
    FOR i IN 1 .. greatest(cardinality(p_types), cardinality(p_firsts)) LOOP
        IF asked > 500 THEN
            SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, true
              INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
              FROM leftfold.take_locks_v2(false, p_streams, p_types, p_tags, p_unless, p_rows) t;
            RETURN;
        END IF;
        IF p_firsts[i] IS NOT NULL THEN
            FOREACH one IN ARRAY p_firsts[i]::text[] LOOP
                key := leftfold.tag_key_v1(one);
                asked := asked + 1;
                crossing := crossing OR key = ANY (written);
                IF NOT pg_try_advisory_xact_lock(leftfold.log_space_v1(), key) THEN
                    busy_conditions := array_append(busy_conditions, key);
                    IF NOT pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), key) THEN
                        busy_keys := array_append(busy_keys, key);
                    END IF;
                END IF;
            END LOOP;
        END IF;
        IF p_types[i] <> previous OR previous IS NULL AND p_types[i] IS NOT NULL THEN
            previous := p_types[i];
            key := leftfold.type_key_v1(previous);
            asked := asked + 1;
            IF NOT pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), key) THEN
                busy_keys := array_append(busy_keys, key);
            END IF;
        END IF;
        IF p_tags[i] IS NOT NULL THEN
            FOREACH one IN ARRAY p_tags[i]::text[] LOOP
                key := leftfold.tag_key_v1(one);
                asked := asked + 1;
                written := array_append(written, key);
                IF NOT pg_try_advisory_xact_lock_shared(leftfold.log_space_v1(), key) THEN
                    busy_keys := array_append(busy_keys, key);
                END IF;
            END LOOP;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION leftfold.type_key_v1(type text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 1 + (hashtextextended(type, 1) & 1073741823)::int $$;

CREATE FUNCTION leftfold.within_v1(criterion json, stream text, occurred_at timestamp with time zone, recorded_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT (criterion ->> 'from' IS NULL
            OR stream COLLATE "C" >= criterion ->> 'from' AND stream COLLATE "C" < criterion ->> 'below')
       AND occurred_at >= coalesce((criterion -> 'occurred' ->> 0)::timestamptz, '-infinity')
       AND occurred_at <= coalesce((criterion -> 'occurred' ->> 1)::timestamptz, 'infinity')
       AND recorded_at >= coalesce((criterion -> 'recorded' ->> 0)::timestamptz, '-infinity')
       AND recorded_at <= coalesce((criterion -> 'recorded' ->> 1)::timestamptz, 'infinity')
$$;

CREATE TABLE leftfold.epochs (
    epoch integer NOT NULL,
    store uuid NOT NULL,
    "position" bigint NOT NULL,
    event_id uuid,
    reason text NOT NULL,
    began_at text NOT NULL
);

CREATE TABLE leftfold.event_tags (
    tag text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL
);

CREATE TABLE leftfold.events (
    "position" bigint NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    schema_version integer NOT NULL,
    data json NOT NULL,
    metadata json NOT NULL,
    tags text[] NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);

CREATE TABLE leftfold.inline_set (
    digest text NOT NULL,
    members text NOT NULL
);

CREATE TABLE leftfold.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at text NOT NULL
);

CREATE TABLE leftfold.parked (
    name text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    event_id text NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    error text,
    traceback text,
    parked_at text NOT NULL
);

CREATE TABLE leftfold.partitions (
    name text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    first integer NOT NULL,
    last integer NOT NULL,
    "position" bigint NOT NULL,
    event_id text,
    epoch integer NOT NULL,
    store text,
    updated_at text NOT NULL,
    applied bigint DEFAULT 0 NOT NULL,
    rate double precision DEFAULT 0 NOT NULL,
    fence bigint DEFAULT 0 NOT NULL,
    owner text,
    lease_until text,
    failure text
);

CREATE SEQUENCE leftfold."position"
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE leftfold.projection_acts (
    id text NOT NULL,
    name text NOT NULL,
    act text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    details text NOT NULL,
    done_at text NOT NULL
);

CREATE TABLE leftfold.projections (
    name text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    version integer NOT NULL,
    role text NOT NULL,
    fingerprint text,
    tables text NOT NULL,
    query text NOT NULL,
    mode text DEFAULT 'async'::text NOT NULL,
    paused text,
    rebuild text,
    begun_at text NOT NULL,
    CONSTRAINT projections_mode_check CHECK ((mode = ANY (ARRAY['async'::text, 'inline'::text]))),
    CONSTRAINT projections_role_check CHECK ((role = ANY (ARRAY['live'::text, 'shadow'::text, 'former'::text, 'turning'::text])))
);

CREATE TABLE leftfold.snapshots (
    stream text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    occurred_max text NOT NULL,
    recorded_max text NOT NULL,
    state text NOT NULL,
    fingerprint text NOT NULL,
    created_at text NOT NULL
);

CREATE TABLE leftfold.workers (
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    serves text NOT NULL,
    started_at text NOT NULL,
    seen_at text NOT NULL
);

ALTER TABLE ONLY leftfold.epochs
    ADD CONSTRAINT epochs_pkey PRIMARY KEY (epoch);

ALTER TABLE ONLY leftfold.event_tags
    ADD CONSTRAINT event_tags_pkey PRIMARY KEY (tag, "position");

ALTER TABLE ONLY leftfold.events
    ADD CONSTRAINT events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY leftfold.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY leftfold.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (name, generation, key, "position");

ALTER TABLE ONLY leftfold.partitions
    ADD CONSTRAINT partitions_pkey PRIMARY KEY (name, generation, first);

ALTER TABLE ONLY leftfold.projection_acts
    ADD CONSTRAINT projection_acts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY leftfold.projections
    ADD CONSTRAINT projections_pkey PRIMARY KEY (name, generation);

ALTER TABLE ONLY leftfold.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY leftfold.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX events_id ON leftfold.events USING btree (id);

CREATE UNIQUE INDEX events_stream_version ON leftfold.events USING btree (stream, version);

CREATE INDEX events_type_position ON leftfold.events USING btree (type, "position");

CREATE INDEX partitions_by_owner ON leftfold.partitions USING btree (owner);

CREATE UNIQUE INDEX projections_by_role ON leftfold.projections USING btree (name, role);

CREATE TRIGGER event_tags_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON leftfold.event_tags FOR EACH STATEMENT EXECUTE FUNCTION leftfold.refuse_change_v1();

CREATE TRIGGER events_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON leftfold.events FOR EACH STATEMENT EXECUTE FUNCTION leftfold.refuse_change_v1();
