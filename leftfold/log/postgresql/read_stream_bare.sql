SELECT e.position, e.version, e.type, e.schema_version, e.data
FROM {schema}.events e
WHERE e.stream = %s AND e.version > %s AND e.version <= %s
ORDER BY e.version {order}
LIMIT %s
