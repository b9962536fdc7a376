SELECT {columns}
FROM {schema}.events e
WHERE e.stream = %s AND e.version > %s AND e.version <= %s
ORDER BY e.version {order}
LIMIT %s
