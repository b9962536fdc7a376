"""Connections to PostgreSQL: how many a store takes, and what becomes of one that is being made when a loop ends."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance import DoorKind, open_door
from leftfold.testing.postgres import Postgres

OWN = "SELECT pid FROM pg_stat_activity WHERE application_name = 'leftfold' AND datname = current_database()"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whoever_asks_one_thing_at_a_time_has_one_connection(postgres: Postgres, kind: DoorKind) -> None:
    url = postgres.create_database()
    lf.connect(url).close()

    async def look(other: psycopg.Connection) -> None:
        before = set(other.execute(OWN).fetchall())  # that of `connect` may still be on its way out
        async with open_door(url, kind) as store:
            assert await store.head() == 0
            assert len(set(other.execute(OWN).fetchall()) - before) == 1

    with psycopg.connect(url, autocommit=True) as other:
        asyncio.run(look(other))


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 8, 16])
def test_a_loop_ends_though_connections_are_being_made(postgres_url: str, milliseconds: int) -> None:
    async def leave() -> None:
        store = await lf.connect_async(postgres_url).open()
        for _ in range(5):
            asyncio.ensure_future(store.head())  # noqa: RUF006 - cancelled by run()
        await asyncio.sleep(milliseconds / 1000)

    running = threading.Thread(target=asyncio.run, args=(leave(),), daemon=True)
    running.start()
    running.join(20)
    assert not running.is_alive()
