SELECT coalesce(max(position), 0) FROM leftfold_events
