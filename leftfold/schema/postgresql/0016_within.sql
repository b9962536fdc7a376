-- The parts of a criterion that no index orders by: the category and the two times.
CREATE FUNCTION {schema}.within_v1(
    criterion json, stream text, occurred_at timestamptz, recorded_at timestamptz
) RETURNS bool LANGUAGE sql STABLE AS $$
    SELECT (criterion ->> 'from' IS NULL
            OR stream COLLATE "C" >= criterion ->> 'from' AND stream COLLATE "C" < criterion ->> 'below')
       AND occurred_at >= coalesce((criterion -> 'occurred' ->> 0)::timestamptz, '-infinity')
       AND occurred_at <= coalesce((criterion -> 'occurred' ->> 1)::timestamptz, 'infinity')
       AND recorded_at >= coalesce((criterion -> 'recorded' ->> 0)::timestamptz, '-infinity')
       AND recorded_at <= coalesce((criterion -> 'recorded' ->> 1)::timestamptz, 'infinity')
$$;
