SELECT id, stream, version, position, type, CAST(data AS BLOB), recorded_at
FROM leftfold_events
WHERE id IN (:ids)
