-- Every lock that a batch of appends waits for, in the order that is the same for everybody: the whole log, the streams,
-- the keys of types and tags. Each is asked for once, in the stronger mode, so that no two can wait for each other.
--
-- Not p_wait: nothing is waited for, and what somebody else holds is returned instead.
-- p_tags holds an array literal for each event, or is null. p_unless holds a condition's criteria, or is null: one with
-- tags takes the key of its first, for every event that it means has that tag; one with types takes theirs; one with
-- neither takes the whole log. So does whoever needs more locks than the server's lock table should have to hold.
CREATE FUNCTION {schema}.take_locks_v1(
    p_wait bool, p_streams text[], p_types text[], p_tags text[], p_unless json,
    OUT busy_log bool, OUT busy_streams int[], OUT busy_keys int[]
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    streams int[];
    keys    int[];
    modes   bool[]; -- exclusive?
    whole   bool;
BEGIN
    SELECT array_agg(s.key ORDER BY s.key) INTO streams
      FROM (SELECT DISTINCT hashtext(u.stream) FROM unnest(p_streams) u(stream)) s(key);
    IF p_unless IS NULL AND p_tags IS NULL THEN
        SELECT array_agg(t.key ORDER BY t.key) INTO keys
          FROM (SELECT DISTINCT {schema}.type_key_v1(u.type) FROM unnest(p_types) u(type)) t(key);
    ELSE
        SELECT array_agg(a.key ORDER BY a.key), array_agg(a.exclusive ORDER BY a.key) INTO keys, modes
          FROM (SELECT k.key, bool_or(k.exclusive)
                  FROM (SELECT {schema}.type_key_v1(u.type), false FROM unnest(p_types) u(type)
                        UNION ALL
                        SELECT {schema}.tag_key_v1(g.tag), false FROM unnest(p_tags) u(tags), unnest(u.tags::text[]) g(tag)
                        UNION ALL
                        SELECT {schema}.tag_key_v1(c.value -> 'tags' ->> 0), true FROM json_array_elements(p_unless) c
                         WHERE json_array_length(c.value -> 'tags') > 0
                        UNION ALL
                        SELECT {schema}.type_key_v1(t.value), true
                          FROM json_array_elements(p_unless) c, json_array_elements_text(c.value -> 'types') t
                         WHERE json_array_length(c.value -> 'tags') = 0) k(key, exclusive)
                 GROUP BY k.key) a(key, exclusive);
    END IF;
    whole := coalesce(cardinality(streams), 0) + coalesce(cardinality(keys), 0) > 500;
    IF p_unless IS NOT NULL AND NOT whole THEN
        whole := EXISTS (SELECT 1 FROM json_array_elements(p_unless) c
                          WHERE json_array_length(c.value -> 'tags') = 0 AND json_array_length(c.value -> 'types') = 0);
    END IF;

    IF whole THEN
        IF p_wait THEN
            PERFORM pg_advisory_xact_lock({schema}.log_space_v1(), 0);
        ELSE
            busy_log := NOT pg_try_advisory_xact_lock({schema}.log_space_v1(), 0);
        END IF;
        RETURN;
    END IF;
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared({schema}.log_space_v1(), 0);
        PERFORM pg_advisory_xact_lock({schema}.stream_space_v1(), s.key) FROM unnest(streams) s(key);
        FOR i IN 1 .. coalesce(cardinality(keys), 0) LOOP
            IF modes[i] THEN
                PERFORM pg_advisory_xact_lock({schema}.log_space_v1(), keys[i]);
            ELSE
                PERFORM pg_advisory_xact_lock_shared({schema}.log_space_v1(), keys[i]);
            END IF;
        END LOOP;
        RETURN;
    END IF;
    busy_log := NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM unnest(streams) s(key) WHERE NOT pg_try_advisory_xact_lock({schema}.stream_space_v1(), s.key);
    SELECT array_agg(k.key) INTO busy_keys
      FROM unnest(keys, modes) k(key, exclusive)
     WHERE NOT CASE WHEN k.exclusive THEN pg_try_advisory_xact_lock({schema}.log_space_v1(), k.key)
                    ELSE pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), k.key) END;
END $$;
