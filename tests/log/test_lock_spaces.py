"""Appends of sessions that know nothing of each other meet at the same locks, whatever is done to the indexes."""

from __future__ import annotations

import psycopg

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry
from leftfold.testing.postgres import Postgres


def test_streams_are_locked_alike_before_and_after_indexes_were_rebuilt(postgres: Postgres) -> None:
    """REINDEX CONCURRENTLY makes a new index with a new oid, and cached plans of open sessions keep the old one."""
    url = postgres.create_database()
    with (
        lf.connect(url, registry=registry) as store,
        psycopg.connect(url, autocommit=True) as old,
        psycopg.connect(url) as new,
    ):
        old.execute("SET lock_timeout = '5s'")
        for turn in range(3):
            with old.transaction():
                store.using(old).append("Thing-a", counted(1, turn))
        for index in ("events_pkey", "events_stream_version", "events_id", "events_type_position", "event_tags_pkey"):
            old.execute(f"REINDEX INDEX CONCURRENTLY leftfold.{index}")
        store.using(new).append("Thing-a", counted(1))
        locks = (
            "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND pid = %s"
        )
        with old.transaction():
            store.using(old).append("Thing-b", counted(1))
            held = {
                connection: {space for space, _ in old.execute(locks, (connection.info.backend_pid,))}
                for connection in (old, new)
            }
        assert held[old] == held[new]
        assert len(held[old]) == 1
