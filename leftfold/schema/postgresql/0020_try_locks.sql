-- take_locks_v1 without p_wait, by its table of busy_keys and busy_conditions, but cheaper: nothing is waited for, so no
-- order matters, a lock may be tried twice, and nothing is sorted. p_tags, p_firsts and p_rows are as append_v1 has them.
--
-- crossing: a condition may be about what an append before it writes (it may err on the side of care). After 500 locks
-- take_locks_v1 does the rest: it counts different keys, and may lock the whole log.
CREATE FUNCTION {schema}.try_locks_v1(
    p_streams text[], p_types text[], p_tags text[], p_unless jsonb[], p_firsts text[], p_rows text[],
    OUT busy_log bool, OUT busy_streams int[], OUT busy_keys int[], OUT busy_conditions int[], OUT busy_rows int[],
    OUT crossing bool
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written  int[] := '{}'; -- the keys of the tags of the events so far
    asked    int := coalesce(cardinality(p_streams), 0);
    previous text;
    one      text;
    key      int;
BEGIN
    busy_log := NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM (SELECT hashtext(u.stream) FROM unnest(p_streams) u(stream)) s(key)
     WHERE NOT pg_try_advisory_xact_lock({schema}.stream_space_v1(), s.key);
    IF p_rows IS NOT NULL THEN
        SELECT asked + coalesce(sum(cardinality(u.keys::int[])), 0) INTO asked FROM unnest(p_rows) u(keys);
    END IF;
    IF p_rows IS NOT NULL AND asked <= 500 THEN
        SELECT array_agg(l.key) INTO busy_rows
          FROM unnest(p_rows) u(keys), unnest(u.keys::int[]) l(key)
         WHERE NOT pg_try_advisory_xact_lock({schema}.row_space_v1(), l.key);
    END IF;
    crossing := cardinality(p_firsts) <> cardinality(p_types); -- then i does not tell which append wrote an event
    FOR i IN 1 .. greatest(cardinality(p_types), cardinality(p_firsts)) LOOP
        IF asked > 500 THEN
            SELECT t.busy_log, t.busy_streams, t.busy_keys, t.busy_conditions, t.busy_rows, true
              INTO busy_log, busy_streams, busy_keys, busy_conditions, busy_rows, crossing
              FROM {schema}.take_locks_v1(false, p_streams, p_types, p_tags, p_unless, p_rows) t;
            RETURN;
        END IF;
        IF p_firsts[i] IS NOT NULL THEN
            FOREACH one IN ARRAY p_firsts[i]::text[] LOOP
                key := {schema}.tag_key_v1(one);
                asked := asked + 1;
                crossing := crossing OR key = ANY (written);
                IF NOT pg_try_advisory_xact_lock({schema}.log_space_v1(), key) THEN
                    busy_conditions := array_append(busy_conditions, key);
                    IF NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), key) THEN
                        busy_keys := array_append(busy_keys, key);
                    END IF;
                END IF;
            END LOOP;
        END IF;
        IF p_types[i] <> previous OR previous IS NULL AND p_types[i] IS NOT NULL THEN
            previous := p_types[i];
            key := {schema}.type_key_v1(previous);
            asked := asked + 1;
            IF NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), key) THEN
                busy_keys := array_append(busy_keys, key);
            END IF;
        END IF;
        IF p_tags[i] IS NOT NULL THEN
            FOREACH one IN ARRAY p_tags[i]::text[] LOOP
                key := {schema}.tag_key_v1(one);
                asked := asked + 1;
                written := array_append(written, key);
                IF NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), key) THEN
                    busy_keys := array_append(busy_keys, key);
                END IF;
            END LOOP;
        END IF;
    END LOOP;
END $$;
