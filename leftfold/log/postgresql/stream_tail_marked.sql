-- The place in the WAL is read after the stream: everything visible is before it.
WITH tail AS MATERIALIZED (
    SELECT e.version, e.position, e.id FROM {schema}.events e WHERE e.stream = %s ORDER BY e.version DESC LIMIT 1
)
SELECT version, position, id,
       pg_current_wal_insert_lsn()::text, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
       (SELECT system_identifier FROM pg_control_system())
FROM tail
