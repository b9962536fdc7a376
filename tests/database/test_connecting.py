"""Connections to PostgreSQL: how many a store takes, and what becomes of one that is being made when a loop ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

import leftfold as lf
from leftfold.database.postgresql.database import PostgresqlDatabase
from leftfold.front.connect import log_at
from leftfold.testing.conformance.door import DoorKind, open_door
from leftfold.testing.postgres import Postgres
from tests.database.sessions import OWN, assert_that_all_go


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


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("where", ["in the pool", "behind it"])
def test_what_could_not_be_opened_leaves_nothing_and_can_be_opened_again(
    postgres: Postgres, kind: DoorKind, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a replica is that was away for a moment."""
    url = postgres.create_database()

    async def fail(*_: Any) -> None:
        raise lf.StoreUnavailable("for a moment")

    def time_out(*_: Any, **options: Any) -> None:
        raise PoolTimeout

    pool = ConnectionPool if kind == "sync" else AsyncConnectionPool
    patch = (pool, "wait", time_out) if where == "in the pool" else (PostgresqlDatabase, "_check_server", fail)

    async def check() -> None:
        database = log_at(url, blocking=kind == "sync").database
        for _ in range(3):
            with monkeypatch.context() as patched:
                patched.setattr(*patch)
                with pytest.raises(lf.StoreUnavailable):
                    await database.open()
        await database.open()
        async with database.connection() as connection:
            assert await connection.execute("SELECT 1") == [(1,)]
        await database.close()

    asyncio.run(check())
    assert_that_all_go(url)


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
