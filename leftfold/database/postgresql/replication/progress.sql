-- How far this connection's server has replayed. Its timeline is in the control file twice; either may be behind.
SELECT pg_is_in_recovery(), s.system_identifier,
       upper(lpad(to_hex(greatest(c.timeline_id, r.min_recovery_end_timeline)), 8, '0')),
       coalesce(pg_last_wal_replay_lsn() >= %s::pg_lsn, false),
       {found}
FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r
