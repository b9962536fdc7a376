-- The position of the first event after p_after, p_seen left out, that matches any of a condition's criteria; null if there
-- is none, or no condition. Every committed event counts, above the horizon too.
--
-- A criterion is an object with "types" and "tags" (array literals, sorted; empty means any) and, where given, "from" and
-- "below" (the stream names of a category), "occurred" and "recorded" (pairs of moments or nulls, inclusive). Each is a walk
-- along an index that ends at the first hit. The settings, with those of append_v1, the only caller, allow no other plan.
CREATE FUNCTION {schema}.first_match_v1(p_unless jsonb, p_after bigint, p_seen bigint[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
    criterion jsonb;
    rest      json;  -- the same, for within_v1
    types     text[];
    tagged    text[];
    anywhere  bool;  -- whether within_v1 has nothing to check
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
            CONTINUE WHEN NOT EXISTS (SELECT 1 FROM {schema}.event_tags t
                                       WHERE t.tag = tagged[1] AND t.position > p_after);
            SELECT t.position INTO found
              FROM {schema}.event_tags t
             CROSS JOIN LATERAL (SELECT * FROM {schema}.events a WHERE a.position = t.position OFFSET 0) e
             WHERE t.tag = tagged[1] AND t.position > p_after AND t.position <> ALL (p_seen)
               AND e.tags @> tagged AND (cardinality(types) = 0 OR e.type = ANY (types))
               AND (anywhere OR {schema}.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
             ORDER BY t.position LIMIT 1;
            first := least(first, found);
        ELSIF cardinality(types) > 0 THEN
            FOREACH one IN ARRAY types LOOP
                SELECT e.position INTO found
                  FROM {schema}.events e
                 WHERE e.type = one AND e.position > p_after AND e.position <> ALL (p_seen)
                   AND (anywhere OR {schema}.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
                 ORDER BY e.position LIMIT 1;
                first := least(first, found);
            END LOOP;
        ELSE
            SELECT e.position INTO found
              FROM {schema}.events e
             WHERE e.position > p_after AND e.position <> ALL (p_seen)
               AND (anywhere OR {schema}.within_v1(rest, e.stream, e.occurred_at, e.recorded_at))
             ORDER BY e.position LIMIT 1;
            first := least(first, found);
        END IF;
    END LOOP;
    RETURN first;
END $$;
ALTER FUNCTION {schema}.first_match_v1 SET enable_bitmapscan = off SET enable_sort = off;
