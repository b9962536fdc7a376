SELECT statuses, versions, positions
FROM {schema}.append_v1(
    %s, %s::text[], %s::bigint[], %s::int[],
    %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]
)
