"""The store's own connections, as the server sees them."""

from __future__ import annotations

import time

import psycopg

OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = 'leftfold' AND datname = current_database()"


def assert_that_all_go(conninfo: str) -> None:
    """A backend takes its time to go."""
    with psycopg.connect(conninfo, autocommit=True) as other:
        deadline = time.monotonic() + 10
        while (left := other.execute(OWN).fetchall()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not left
