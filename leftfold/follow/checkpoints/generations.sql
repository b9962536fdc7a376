-- every --
SELECT name, generation, begun_at, version, role, fingerprint, tables, query, mode, paused, rebuild FROM {projections}
-- all --
{every} ORDER BY name, generation
-- find --
{every} WHERE name = :name AND role = :role
-- of --
{every} WHERE name = :name ORDER BY generation
-- newest --
SELECT max(generation) FROM {projections} WHERE name = :name
-- lock --
SELECT generation FROM {projections} WHERE name = :name ORDER BY generation {for_update}
-- begin --
INSERT INTO {projections} (name, generation, version, role, fingerprint, tables, query, mode, paused, begun_at)
VALUES (:name, :generation, :version, :role, :fingerprint, :tables, :query, :mode, :paused, :now)
ON CONFLICT DO NOTHING RETURNING generation
-- adopt --
UPDATE {projections}
   SET version = :version, fingerprint = :fingerprint, tables = :tables, query = :query, rebuild = NULL
 WHERE name = :name AND generation = :generation
-- switch --
UPDATE {projections} SET mode = :mode WHERE name = :name AND generation = :generation
-- pause --
UPDATE {projections} SET paused = :paused WHERE name = :name AND generation = :generation
-- mark --
UPDATE {projections} SET rebuild = :why WHERE name = :name AND generation = :generation
-- turn --
UPDATE {projections} SET role = :role, tables = :tables WHERE name = :name AND generation = :generation
-- forget --
DELETE FROM {projections} WHERE name = :name AND generation = :generation
