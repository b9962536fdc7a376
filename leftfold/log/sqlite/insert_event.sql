INSERT INTO leftfold_events
    (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
