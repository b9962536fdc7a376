SELECT version, position, recorded_at FROM leftfold_events WHERE stream = ? ORDER BY version DESC LIMIT 1
