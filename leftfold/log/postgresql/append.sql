SELECT statuses, versions, positions, listened
FROM {schema}.append_v2(
    %s, %s, %s::json, %s, %s::bigint[], %s::text[], %s::bigint[], %s::int[],
    %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]
)
