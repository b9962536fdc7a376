-- park --
INSERT INTO {parked} (name, generation, key, position, event_id, stream, type, error, traceback, parked_at)
VALUES (:name, :generation, :key, :position, :event_id, :stream, :type, :error, :traceback, :parked_at)
-- all --
SELECT key, position, event_id, stream, type, error, traceback, parked_at
  FROM {parked} WHERE name = :name AND generation = :generation ORDER BY position, key
-- keys --
SELECT DISTINCT key FROM {parked} WHERE name = :name AND generation = :generation
-- count --
SELECT name, generation, count(*), count(DISTINCT key), min(position) FROM {parked} GROUP BY name, generation
-- take --
DELETE FROM {parked} WHERE name = :name AND generation = :generation AND key = :key AND position <= :position
-- forget --
DELETE FROM {parked} WHERE name = :name AND generation = :generation
