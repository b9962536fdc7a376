SELECT p.name, p.version, p.generation, c.first, c.position, c.event_id, c.epoch, p.rebuild, e.id
  FROM {projections} p
  JOIN {partitions} c ON c.name = p.name AND c.generation = p.generation
  LEFT JOIN {events} e ON e.position = c.position
 WHERE c.store IS NULL ORDER BY p.name, p.generation, c.first
