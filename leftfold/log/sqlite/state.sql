SELECT h.position,
       (SELECT id FROM leftfold_events WHERE position = h.position),
       (SELECT id FROM leftfold_events WHERE position = ?),
       s.store,
       s.epoch
FROM (SELECT coalesce(max(position), 0) AS position FROM leftfold_events) AS h
LEFT JOIN (SELECT store, epoch FROM leftfold_epochs ORDER BY epoch DESC LIMIT 1) AS s ON true
