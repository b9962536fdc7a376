-- The keys that a condition locks exclusively, for each criterion (see first_match_v1): that of the first tag, which every
-- matching event has; without tags those of its types; without either 0, the whole log.
CREATE FUNCTION {schema}.condition_keys_v1(p_unless jsonb) RETURNS int[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
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
            keys := array_append(keys, {schema}.tag_key_v1(tagged[1]));
        ELSIF cardinality(types) > 0 THEN
            FOREACH one IN ARRAY types LOOP
                keys := array_append(keys, {schema}.type_key_v1(one));
            END LOOP;
        ELSE
            keys := array_append(keys, 0);
        END IF;
    END LOOP;
    RETURN keys;
END $$;
