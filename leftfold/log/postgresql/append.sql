SELECT statuses, versions, positions, listened
FROM {schema}.append_v1(
    %s, %s, %s::jsonb[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::int[],
    %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s, %s::text[]
)
