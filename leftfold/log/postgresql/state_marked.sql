-- The place in the WAL is read after the log: everything visible is before it.
SELECT head, head_id, found_id, store, epoch,
       pg_current_wal_insert_lsn()::text, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
       (SELECT system_identifier FROM pg_control_system())
FROM {schema}.survey_v1(%s)
