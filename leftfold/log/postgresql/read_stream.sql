SELECT e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data, e.metadata, NULLIF(e.tags, '{}'),
       e.occurred_at, e.recorded_at
FROM {schema}.events e
WHERE e.stream = %s AND e.version > %s AND e.version <= %s
ORDER BY e.version {order}
LIMIT %s
