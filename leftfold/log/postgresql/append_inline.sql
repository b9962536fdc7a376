SELECT statuses, versions, positions, listened, event_positions, (extract(epoch FROM recorded) * 1000000)::bigint
FROM {schema}.append_v1(
    %s, %s, %s::jsonb[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::int[],
    %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s, %s::text[]
)
