SELECT d.oid::bigint, to_regclass(%s)::oid::bigint, d.datname::text
FROM pg_database d
WHERE d.datname = current_database()
