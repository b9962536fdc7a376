SELECT statuses, versions, positions, listened, refusal
FROM {schema}.append_joined_v2(
    %s, %s, %s::json[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::int[],
    %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]
)
