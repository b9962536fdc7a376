-- Judge and store a batch of appends, each to one stream; a row for each, in order.
--
-- p_together false: independent, each has an outcome of its own. true: different streams, all or nothing.
-- p_tags holds an array literal for each event, or is null if no event has tags.
-- status: 0 stored (version and position of its last event), 1 stored before (likewise), 2 conflict (the actual
-- version), 3 some of its ids are stored as something else.
--
-- In this order, the same for everybody, so that nothing can deadlock: (1) every wait, sorted; (2) judge in a new
-- snapshot; (3) L and the horizon's lock; (4) only then draw positions and insert. See head_v1. The unique indexes are
-- the last word.
CREATE FUNCTION {schema}.append_v1(
    p_together bool, p_streams text[], p_expected bigint[], p_counts int[],
    p_ids uuid[], p_types text[], p_schema_versions int[], p_datas text[], p_metadatas text[],
    p_tags text[], p_occurred timestamptz[]
) RETURNS TABLE (status int, version bigint, "position" bigint) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    total      int := cardinality(p_ids);
    statuses   int[] := array_fill(0, ARRAY[cardinality(p_streams)]);
    reached    bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_streams)]);
    places     bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_streams)]);
    versions   bigint[] := array_fill(NULL::bigint, ARRAY[total]);
    positions  bigint[];
    accepted   int := 0;
    repeats    bool;
    append     record;
    former     record;
    current    bigint;
    place      bigint;
    previous   text;
    moment     timestamptz;
    after      bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'leftfold: an append needs READ COMMITTED, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true); -- acknowledged means flushed, whatever the server's default
    END IF;

    PERFORM pg_advisory_xact_lock({schema}.stream_space_v1(), k.key)
       FROM (SELECT DISTINCT hashtext(s) AS key FROM unnest(p_streams) s ORDER BY 1) k;

    moment := clock_timestamp();
    SELECT EXISTS (SELECT 1 FROM {schema}.events e WHERE e.id = ANY (p_ids)) INTO repeats;
    FOR append IN
        SELECT a.number::int AS number, a.stream, a.expected, a.count,
               (sum(a.count) OVER (ORDER BY a.number) - a.count)::int AS start,
               tail.version, tail.position, tail.recorded_at
          FROM unnest(p_streams, p_expected, p_counts) WITH ORDINALITY a(stream, expected, count, number)
          LEFT JOIN LATERAL (
               SELECT e.version, e.position, e.recorded_at FROM {schema}.events e
                WHERE e.stream = a.stream ORDER BY e.version DESC LIMIT 1) tail ON true
         ORDER BY a.stream, a.number
    LOOP
        IF append.stream IS DISTINCT FROM previous THEN
            current := coalesce(append.version, 0);
            place := coalesce(append.position, 0);
            previous := append.stream;
        END IF;
        moment := greatest(moment, append.recorded_at); -- never decreasing within a stream, whatever the clock does
        reached[append.number] := current;
        places[append.number] := place;
        IF repeats AND append.count > 0 THEN
            SELECT count(*) AS found,
                   count(*) FILTER (WHERE e.stream = append.stream AND e.type = g.type AND e.data::text = g.data) AS same,
                   array_agg(g.number ORDER BY e.position) AS numbers,
                   min(e.version) AS first, max(e.version) AS last, max(e.position) AS position
              INTO former
              FROM unnest(p_ids[append.start + 1 : append.start + append.count],
                          p_types[append.start + 1 : append.start + append.count],
                          p_datas[append.start + 1 : append.start + append.count])
                   WITH ORDINALITY g(id, type, data, number)
              JOIN {schema}.events e ON e.id = g.id;
            IF former.found > 0 THEN
                IF former.same = append.count AND former.last - former.first = append.count - 1
                   AND former.numbers = ARRAY(SELECT generate_series(1, append.count)::bigint) THEN
                    statuses[append.number] := 1;
                    reached[append.number] := former.last;
                    places[append.number] := former.position;
                ELSE
                    statuses[append.number] := 3;
                END IF;
                CONTINUE;
            END IF;
        END IF;
        IF append.expected = -1 OR append.expected = current OR (append.expected = -2 AND current > 0) THEN
            FOR i IN 1 .. append.count LOOP
                current := current + 1;
                versions[append.start + i] := current;
            END LOOP;
            accepted := accepted + append.count;
            reached[append.number] := current;
            IF append.count > 0 THEN
                place := -(append.start + append.count); -- not drawn yet: the number of the event that has it
                places[append.number] := place;
            END IF;
        ELSE
            statuses[append.number] := 2;
        END IF;
    END LOOP;

    IF p_together AND repeats THEN -- only a whole former call is a repeat; those of one call share recorded_at
        IF EXISTS (SELECT 1 FROM unnest(statuses, p_counts) u(status, count) WHERE u.count > 0 AND u.status <> 1)
           OR (SELECT count(DISTINCT e.recorded_at) > 1 FROM {schema}.events e WHERE e.id = ANY (p_ids)) THEN
            statuses := array_fill(3, ARRAY[cardinality(p_streams)]);
        ELSE
            statuses := array_fill(1, ARRAY[cardinality(p_streams)]);
        END IF;
        accepted := 0;
    ELSIF p_together AND 2 = ANY (statuses) THEN
        accepted := 0;
    END IF;
    IF accepted = 0 THEN
        RETURN QUERY SELECT * FROM unnest(statuses, reached, places);
        RETURN;
    END IF;

    after := coalesce(pg_sequence_last_value('{schema}.position'::regclass), 0);
    PERFORM pg_advisory_xact_lock_shared({schema}.horizon_space_v1(), after::bit(32)::int);
    SELECT array_agg(CASE WHEN v IS NOT NULL THEN nextval('{schema}.position') END ORDER BY number) INTO positions
      FROM unnest(versions) WITH ORDINALITY u(v, number);
    INSERT INTO {schema}.events
           (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
    SELECT g.position, g.stream, g.version, g.id, g.type, g.schema_version, g.data::json, g.metadata::json,
           coalesce(g.tags::text[], '{}'), coalesce(g.occurred_at, moment), moment
      FROM unnest(positions,
                  (SELECT array_agg(a.stream ORDER BY a.number)
                     FROM unnest(p_streams, p_counts) WITH ORDINALITY a(stream, count, number), generate_series(1, a.count)),
                  versions, p_ids, p_types, p_schema_versions, p_datas, p_metadatas, p_tags, p_occurred)
           AS g(position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at)
     WHERE g.version IS NOT NULL;
    IF p_tags IS NOT NULL THEN
        INSERT INTO {schema}.event_tags (tag, position)
        SELECT t.tag, g.position FROM unnest(p_tags, positions) g(tags, position), unnest(g.tags::text[]) t(tag)
         WHERE g.position IS NOT NULL;
    END IF;
    RETURN QUERY
    SELECT u.status, u.version, CASE WHEN u.place < 0 THEN positions[-u.place] ELSE u.place END
      FROM unnest(statuses, reached, places) u(status, version, place);
END $$;
ALTER FUNCTION {schema}.append_v1 SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION {schema}.append_v1 SET enable_seqscan = off;
ALTER FUNCTION {schema}.append_v1 SET jit = off;
