-- Judge and store a batch of appends, each to one stream; appends to the same stream stand side by side.
--
-- p_together false: independent appends, each with an outcome of its own. true: different streams, all or nothing.
-- p_wait false: an append that would have to wait for locks is left out, status 5. Always left out is an append on a
-- condition about events of an append before it in the batch, for no index has these yet.
-- p_unless, p_after and p_seen (array literals) are the arguments of first_match_v1 for each append, or null without
-- conditions; together, the first are for all.
-- p_firsts holds, for each condition, an array literal of the first tag of each criterion, as condition_keys_v1 locks them;
-- null if there are no conditions, or some criterion has no tags.
-- p_tags holds an array literal for each event, or is null if no event has tags.
-- p_inline is the digest of the client's inline projections (see inline_set), p_rows are the rows to lock (take_locks_v1).
-- statuses: 0 stored (versions and positions are its last event's), 1 stored before (likewise), 2 conflict (the actual
-- version), 3 some of its ids are stored as something else, 4 the condition failed (positions has the event that it fails
-- on), 5 busy, 9 the digest is another. listened: whether a process listens. event_positions: of each event stored.
-- recorded: when the first append was; each independent append after it was a microsecond later.
--
-- In this order, the same for all batches, so that nothing can deadlock: (1) every wait; (2) judge in new snapshots; (3) the
-- sequence's last value and the horizon's lock, see head_v1; (4) only then draw positions and insert. The unique indexes
-- have the last word. (2) has two ways. A batch of single events to different streams, all of which can be stored, is judged
-- as a whole, by three queries. (Nearly all batches are such.) Any other batch is judged append by append, in a loop. There
-- a position is a promise until positions are drawn: -n is that of event n, for example -3 becomes event_positions[3].
-- Loops over arrays stand where a query would be shorter, because a single append feels the start-up of every query.
CREATE FUNCTION {schema}.append_v1(
    p_together bool, p_wait bool, p_unless jsonb[], p_firsts text[], p_after bigint[], p_seen text[],
    p_streams text[], p_expected bigint[], p_counts int[],
    p_ids uuid[], p_types text[], p_schema_versions int[], p_datas text[], p_metadatas text[],
    p_tags text[], p_occurred timestamptz[], p_inline text, p_rows text[],
    OUT statuses int[], OUT versions bigint[], OUT positions bigint[], OUT listened bool,
    OUT event_positions bigint[], OUT recorded timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
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
    waits    bool;      -- whether a lock of some append is busy
    bypasses bool;      -- whether the digest is another: rows would be bypassed
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
    place    bigint;    -- the position of its last event, or a promise of it
    accepted int := 0;
    settled  bigint;
    locked   text;      -- nothing: an assignment costs less than PERFORM, which starts a query
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
       AND current_setting('leftfold.joined', true) IS DISTINCT FROM 'on' THEN -- see append_joined_v1
        RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true); -- acknowledged means flushed, whatever the default
    END IF;

    IF p_wait OR p_unless IS NOT NULL AND p_firsts IS NULL THEN
        SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, p_unless IS NOT NULL
          INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
          FROM {schema}.take_locks_v1(p_wait, p_streams, p_types, p_tags, p_unless, p_rows) t;
    ELSE
        SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, t.crossing
          INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
          FROM {schema}.try_locks_v1(p_streams, p_types, p_tags, p_unless, p_firsts, p_rows) t;
    END IF;
    IF busy_log THEN
        statuses := array_fill(5, ARRAY[cardinality(p_streams)]);
        versions := array_fill(0, ARRAY[cardinality(p_streams)]);
        positions := versions;
        RETURN;
    END IF;
    waits := busy_streams IS NOT NULL OR busy_keys IS NOT NULL OR busy_rows IS NOT NULL;

    IF current_setting('transaction_isolation') <> 'read committed' THEN -- a set newer than the snapshot is a conflict
        PERFORM 1 FROM {schema}.inline_set s FOR SHARE;
    END IF;
    SELECT (SELECT s.digest FROM {schema}.inline_set s) IS DISTINCT FROM p_inline,
           EXISTS (SELECT 1 FROM {schema}.events e WHERE e.id = ANY (p_ids))
      INTO bypasses, repeats;
    SELECT array_agg(coalesce(t.version, 0) + 1),
           bool_and(s.stream <> s.previous AND (
               s.expected = -1 OR s.expected = coalesce(t.version, 0) OR s.expected = -2 AND coalesce(t.version, 0) > 0)),
           greatest(clock_timestamp(), max(t.recorded_at)) -- never decreasing within a stream, whatever the clock does
      INTO event_versions, fits, recorded
      FROM unnest(p_streams, p_expected, ''::text || p_streams) s(stream, expected, previous)
      LEFT JOIN LATERAL (SELECT e.version, e.recorded_at FROM {schema}.events e
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
             CROSS JOIN LATERAL (SELECT 1 FROM {schema}.event_tags t
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
          LEFT JOIN LATERAL (SELECT e.version, e.position, e.recorded_at FROM {schema}.events e
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
                watched := {schema}.condition_keys_v1(p_unless[number]);
            ELSE
                watched := NULL;
            END IF;
            IF watched && busy_conditions OR watched && written OR (0 = ANY (watched) AND accepted > 0)
               OR waits AND (hashtext(name) = ANY (busy_streams) OR p_rows[number]::int[] && busy_rows OR EXISTS (
                   SELECT 1 FROM unnest(p_types[start + 1 : start + count], p_tags[start + 1 : start + count]) u(type, tags)
                    WHERE {schema}.type_key_v1(u.type) = ANY (busy_keys)
                       OR EXISTS (SELECT 1 FROM unnest(u.tags::text[]) g(tag)
                                   WHERE {schema}.tag_key_v1(g.tag) = ANY (busy_keys)))) THEN
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
                  JOIN {schema}.events e ON e.id = g.id;
                stored := former.found;
            END IF;
            IF stored > 0 THEN
                IF former.same = count AND former.last - former.first = count - 1
                   AND former.numbers = ARRAY(SELECT generate_series(1, count)::bigint) THEN
                    statuses[number] := 1;
                    versions[number] := former.last;
                    positions[number] := former.position;
                    start := start + count;
                    CONTINUE;
                END IF;
                statuses[number] := 3;
            ELSIF bypasses THEN
                statuses[number] := 9;
            ELSIF expected = -1 OR expected = current OR (expected = -2 AND current > 0) THEN
                IF p_unless IS NOT NULL AND NOT p_together THEN
                    failing := {schema}.first_match_v1(p_unless[number], p_after[number], p_seen[number]::bigint[]);
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
                IF p_unless IS NOT NULL AND NOT p_together THEN
                    FOR i IN start + 1 .. start + count LOOP
                        written := array_append(written, {schema}.type_key_v1(p_types[i]));
                        IF p_tags IS NOT NULL THEN
                            FOREACH tag IN ARRAY p_tags[i]::text[] LOOP
                                written := array_append(written, {schema}.tag_key_v1(tag));
                            END LOOP;
                        END IF;
                    END LOOP;
                END IF;
            ELSE
                statuses[number] := 2;
            END IF;
            versions[number] := current;
            positions[number] := place;
            start := start + count;
        END LOOP;

        IF p_together AND repeats THEN -- only a whole former call is a repeat; those of one call share recorded_at
            IF EXISTS (SELECT 1 FROM unnest(statuses, p_counts) u(status, count) WHERE u.count > 0 AND u.status <> 1)
               OR (SELECT count(DISTINCT e.recorded_at) > 1 FROM {schema}.events e WHERE e.id = ANY (p_ids)) THEN
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
            failing := {schema}.first_match_v1(p_unless[1], p_after[1], p_seen[1]::bigint[]);
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

    settled := coalesce(pg_sequence_last_value('{schema}.position'::regclass), 0);
    locked := pg_advisory_xact_lock_shared({schema}.horizon_space_v1(), settled::bit(32)::int)::text;
    event_positions := event_versions;
    FOR i IN 1 .. start LOOP
        IF event_versions[i] IS NOT NULL THEN
            event_positions[i] := nextval('{schema}.position');
        END IF;
    END LOOP;
    INSERT INTO {schema}.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    SELECT g.position, g.stream, g.version, g.id, g.type, g.schema_version, g.data::json, g.metadata::json,
           coalesce(g.tags::text[], '{}'), coalesce(g.occurred_at, m.moment), m.moment
      FROM unnest(event_positions, event_streams, event_versions, event_turns, p_ids, p_types, p_schema_versions, p_datas,
                  p_metadatas, p_tags, p_occurred) WITH ORDINALITY
           AS g(position, stream, version, turn, id, type, schema_version, data, metadata, tags, occurred_at, number),
           LATERAL (VALUES (append_v1.recorded + coalesce(g.turn, g.number - 1) * interval '1 microsecond')) m(moment)
     WHERE g.version IS NOT NULL;
    IF p_tags IS NOT NULL THEN
        INSERT INTO {schema}.event_tags (tag, position)
        SELECT t.tag, g.position FROM unnest(p_tags, event_positions) g(tags, position), unnest(g.tags::text[]) t(tag)
         WHERE g.position IS NOT NULL;
    END IF;
    positions := coalesce(positions, event_positions);
    FOR i IN 1 .. number LOOP
        IF positions[i] < 0 THEN
            positions[i] := event_positions[-positions[i]];
        END IF;
    END LOOP;
    listened := {schema}.listened_v1();
END $$;
ALTER FUNCTION {schema}.append_v1 SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off;
