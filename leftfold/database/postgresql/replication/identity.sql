SELECT c.system_identifier, d.oid::bigint, pg_is_in_recovery()
FROM pg_control_system() c, pg_database d
WHERE d.datname = current_database()
