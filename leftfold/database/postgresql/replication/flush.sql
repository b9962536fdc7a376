SELECT pg_logical_emit_message(true, 'leftfold', '') WHERE pg_current_wal_flush_lsn() < %s::pg_lsn
