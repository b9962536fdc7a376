SELECT DISTINCT a.pid, a.state, a.xact_start::text, left(a.query, 60)
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.granted AND l.pid <> pg_backend_pid()
   AND l.relation IN (SELECT to_regclass(name)::oid FROM unnest(%s::text[]) AS name) ORDER BY 3
