-- Transactions that have appended and not ended: they hold the horizon's lock, see head_v1. Prepared ones have no process.
SELECT l.pid, p.gid,
       extract(epoch FROM clock_timestamp() - coalesce(min(a.xact_start), min(p.prepared)))::float8,
       coalesce(min(a.usename), min(p.owner))::text, min(a.application_name), min(a.state)
  FROM pg_locks l
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN (pg_prepared_xacts p JOIN pg_locks t ON t.locktype = 'transactionid' AND t.transactionid = p.transaction)
    ON l.pid IS NULL AND t.pid IS NULL AND t.virtualtransaction = l.virtualtransaction
 WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.classid = '{schema}.events'::regclass::oid
   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
 GROUP BY l.pid, p.gid
 ORDER BY 3 DESC NULLS FIRST
