SELECT {columns}
FROM leftfold_events e
WHERE e.stream = ? AND e.version > ? AND e.version <= ?
ORDER BY e.version {order}
LIMIT ?
