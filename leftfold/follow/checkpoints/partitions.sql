-- all --
SELECT c.name, c.generation, c.first, c.last, c.position, c.event_id, c.epoch, c.store, c.updated_at,
       c.applied, c.rate, c.fence, c.owner, p.role, p.begun_at, p.paused IS NOT NULL, c.failure,
       coalesce(c.lease_until > {now}, {false})
  FROM {partitions} c LEFT JOIN {projections} p ON p.name = c.name AND p.generation = c.generation
-- all_in_order --
{all} ORDER BY c.name, c.generation, c.first
-- load --
{all} WHERE c.name = :name AND c.generation = :generation ORDER BY c.first
-- find --
{all} WHERE c.name = :name AND c.generation = :generation AND c.first = :first AND c.last = :last
-- lock --
SELECT generation, first FROM {partitions} WHERE name = :name ORDER BY generation, first {for_update}
-- own --
SELECT name, generation, first FROM {partitions} WHERE owner = :owner
-- add --
INSERT INTO {partitions} (name, generation, first, last, position, event_id, epoch, store, updated_at, fence)
VALUES (:name, :generation, :first, :last, :position, :event_id, :epoch, :store, :now, :fence)
-- move --
UPDATE {partitions}
   SET position = :position, event_id = :event_id, epoch = :epoch, store = :store, updated_at = :now,
       applied = :applied, rate = :rate, failure = :failure
 WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence
   AND position = :seen AND updated_at = :seen_at RETURNING position
-- put --
UPDATE {partitions}
   SET position = :position, event_id = :event_id, epoch = :epoch, failure = :failure, updated_at = :now
 WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence AND position = :seen
RETURNING position
-- claim --
UPDATE {partitions} SET owner = :owner, lease_until = {ahead}, fence = fence + 1
 WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence
   AND (owner IS NULL OR owner = :owner OR lease_until <= {now}) RETURNING fence
-- renew --
UPDATE {partitions} SET lease_until = {ahead}
 WHERE owner = :owner AND name = :name AND generation = :generation AND first = :first
-- release --
UPDATE {partitions} SET owner = NULL, lease_until = NULL
 WHERE owner = :owner AND name = :name AND generation = :generation AND first = :first
-- extend --
UPDATE {partitions} SET last = :last, fence = :beyond + 1
 WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence RETURNING fence
-- remove --
DELETE FROM {partitions}
 WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence AND position = :position
RETURNING fence
-- seize --
UPDATE {partitions} SET fence = fence + 1, owner = :owner, lease_until = {ahead}
 WHERE name = :name AND generation = :generation
-- fence --
UPDATE {partitions} SET fence = fence + 1, owner = NULL, lease_until = NULL
 WHERE name = :name AND generation = :generation
-- forget --
DELETE FROM {partitions} WHERE name = :name AND generation = :generation
