-- Every lock of a batch of appends, in an order that is the same for all batches: the whole log, the streams, the keys of
-- types and tags, the rows of inline read models. Each is taken once, in the stronger mode, so that no two batches can wait
-- for each other. More than 500 would fill the server's table of locks: then the whole log is locked in their place.
--
-- Not p_wait: locks are only tried, and those that other transactions hold are returned. A key that this batch
--   has events of    is tried shared;    if that fails, the key is in busy_keys: no event may have it
--   is conditional on is tried exclusive; if that fails, it is in busy_conditions, too, and tried shared for the events
-- p_tags holds an array literal for each event, p_unless the criteria of each condition, p_rows an array literal of hashes
-- for each append (see inline_set), or they are null.
CREATE FUNCTION {schema}.take_locks_v1(
    p_wait bool, p_streams text[], p_types text[], p_tags text[], p_unless jsonb[], p_rows text[],
    OUT busy_log bool, OUT busy_streams int[], OUT busy_keys int[], OUT busy_conditions int[], OUT busy_rows int[]
) LANGUAGE plpgsql VOLATILE AS $$
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
          FROM (SELECT DISTINCT {schema}.type_key_v1(u.type) FROM unnest(p_types) u(type)) t(key);
    ELSE
        SELECT array_agg(a.key ORDER BY a.key), array_agg(a.exclusive ORDER BY a.key) INTO keys, modes
          FROM (SELECT k.key, bool_or(k.exclusive)
                  FROM (SELECT {schema}.type_key_v1(u.type), false FROM unnest(p_types) u(type)
                        UNION ALL
                        SELECT {schema}.tag_key_v1(g.tag), false FROM unnest(p_tags) u(tags), unnest(u.tags::text[]) g(tag)
                        UNION ALL
                        SELECT c.key, true
                          FROM unnest(p_unless) u(unless), unnest({schema}.condition_keys_v1(u.unless)) c(key)
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
        FOR i IN 1 .. coalesce(cardinality(rows), 0) LOOP
            PERFORM pg_advisory_xact_lock({schema}.row_space_v1(), rows[i]);
        END LOOP;
        RETURN;
    END IF;
    busy_log := NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), 0);
    SELECT array_agg(s.key) INTO busy_streams
      FROM unnest(streams) s(key) WHERE NOT pg_try_advisory_xact_lock({schema}.stream_space_v1(), s.key);
    FOR i IN 1 .. coalesce(cardinality(keys), 0) LOOP
        IF modes[i] THEN
            CONTINUE WHEN pg_try_advisory_xact_lock({schema}.log_space_v1(), keys[i]);
            busy_conditions := array_append(busy_conditions, keys[i]);
        END IF;
        IF NOT pg_try_advisory_xact_lock_shared({schema}.log_space_v1(), keys[i]) THEN
            busy_keys := array_append(busy_keys, keys[i]);
        END IF;
    END LOOP;
    IF rows IS NOT NULL THEN
        SELECT array_agg(r.key) INTO busy_rows
          FROM unnest(rows) r(key) WHERE NOT pg_try_advisory_xact_lock({schema}.row_space_v1(), r.key);
    END IF;
END $$;
