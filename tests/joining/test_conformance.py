"""An append inside a transaction keeps every promise that an append makes: the conformance suite, once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import aiosqlite
import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance import LogConformance
from leftfold.testing.conformance.appends import AppendChecks
from leftfold.testing.conformance.door import AsyncDoor, Connect, Door, SyncDoor, open_door
from leftfold.testing.conformance.facts import registry
from leftfold.testing.conformance.races import RaceChecks
from tests.joining.kinds import conninfo, path

Result = TypeVar("Result")


class AsyncJoined(AsyncDoor):
    """Every append in a transaction of its own, begun with `store.transaction`."""

    async def append(self, stream: str, events: Iterable[Any], **options: Any) -> lf.AppendResult:
        return await self.inside(lambda tx: tx.append(stream, events, **options))

    async def append_all(self, writes: Iterable[lf.Write], **options: Any) -> list[lf.AppendResult]:
        return await self.inside(lambda tx: tx.append_all(writes, **options))

    async def inside(self, work: Callable[[lf.AsyncTransaction], Awaitable[Result]]) -> Result:
        async with self._store.transaction() as tx:
            return await work(tx)


class AsyncUsing(AsyncJoined):
    """Every append on a connection of the user's."""

    url = ""

    async def inside(self, work: Callable[[lf.AsyncTransaction], Awaitable[Result]]) -> Result:
        if self.url.startswith("sqlite"):
            async with aiosqlite.connect(path(self.url), timeout=30) as one:
                result = await work(self._store.using(one))
                await one.commit()
                return result
        async with await psycopg.AsyncConnection.connect(conninfo(self.url)) as connection:
            return await work(self._store.using(connection))


class SyncJoined(SyncDoor):
    """The same through the sync door."""

    async def append(self, stream: str, events: Iterable[Any], **options: Any) -> lf.AppendResult:
        return await self._run(lambda: self.inside(lambda tx: tx.append(stream, events, **options)))

    async def append_all(self, writes: Iterable[lf.Write], **options: Any) -> list[lf.AppendResult]:
        return await self._run(lambda: self.inside(lambda tx: tx.append_all(writes, **options)))

    def inside(self, work: Callable[[lf.Transaction], Result]) -> Result:
        with self._store.transaction() as tx:
            return work(tx)


@asynccontextmanager
async def joined(url: str, *, using: bool = False, **options: Any) -> AsyncIterator[Door]:
    async with open_door(url, "async", registry=registry, **options) as door:
        assert isinstance(door, AsyncDoor)
        if not using:
            yield AsyncJoined(door._store)
            return
        held = AsyncUsing(door._store)
        held.url = url
        yield held


@asynccontextmanager
async def joined_sync(url: str) -> AsyncIterator[Door]:
    async with open_door(url, "sync", registry=registry) as door:
        assert isinstance(door, SyncDoor)
        yield SyncJoined(door._store, door._threads)


class TestTransactions(LogConformance):
    @pytest.fixture
    def connect(self, store_url: str) -> Connect:
        return partial(joined, store_url)


class TestTransactionsOfThreads(AppendChecks, RaceChecks):
    @pytest.fixture
    def connect(self, store_url: str) -> Connect:
        return partial(joined_sync, store_url)


class TestConnectionsOfTheUser(AppendChecks, RaceChecks):
    @pytest.fixture
    def connect(self, store_url: str) -> Connect:
        return partial(joined, store_url, using=True)


def test_the_joined_doors_append_through_transactions(store_url: str) -> None:
    """The suite above would pass, too, if it went past them."""

    async def check() -> None:
        async with joined(store_url) as door:
            assert isinstance(door, AsyncJoined)
            async with door._store.transaction():
                with pytest.raises(lf.InvalidState, match="inside"):
                    await door.append("Thing-a", [])

    asyncio.run(check())
