-- The locks of take_locks_v2 for whoever waits for nobody: what somebody else holds is returned instead. Nothing is waited
-- for, so no order matters, and nothing need be asked for only once: each append takes what it needs, one after the other,
-- which costs less than to sort them.
--
-- busy_keys are those that no event may have; busy_conditions those that no condition may be about: somebody else has them
-- shared, or exclusively. p_tags, p_firsts and p_rows are as append_v4 has them. crossing: a condition may be about what an
-- append before it writes; it may err on the side of care.
CREATE FUNCTION {schema}.try_locks_v1(
    p_streams text[], p_types text[], p_tags text[], p_firsts text[], p_rows text[],
    OUT busy_log bool, OUT busy_streams int[], OUT busy_keys int[], OUT busy_conditions int[], OUT busy_rows int[],
    OUT crossing bool
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written  int[] := '{}'; -- the keys of the tags of the events so far
    asked    int := 0;      -- how many keys of types and tags
    previous text;
    one      text;
    key      int;
BEGIN
    busy_log := NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM (SELECT hashtext(u.stream) FROM unnest(p_streams) u(stream)) s(key)
     WHERE NOT pg_try_advisory_xact_lock({schema}.stream_space_v1(), s.key);
    IF p_rows IS NOT NULL THEN
        SELECT array_agg(l.key) INTO busy_rows
          FROM unnest(p_rows) u(keys), unnest(u.keys::int[]) l(key)
         WHERE NOT pg_try_advisory_xact_lock({schema}.row_space_v1(), l.key);
    END IF;
    crossing := cardinality(p_firsts) <> cardinality(p_types); -- then who writes what is not told here
    FOR i IN 1 .. greatest(cardinality(p_types), cardinality(p_firsts)) LOOP
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
        IF asked > 500 THEN -- more than the server's table of locks should have to hold
            busy_log := busy_log OR NOT pg_try_advisory_xact_lock({schema}.log_space_v1(), 0);
            RETURN;
        END IF;
    END LOOP;
END $$;
