"""Doors: one face for both kinds of store, so that every check of the suite is written once.

The async store is awaited; every call of the sync store runs in a thread of its own, so that concurrent calls
are really concurrent there too.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial, wraps
from typing import Any, Literal, Protocol, TypeVar

import leftfold as lf
from leftfold.database.protocol import Row
from leftfold.doors.step import step
from leftfold.log.append import Append, Outcome
from leftfold.log.contract import Log

Result = TypeVar("Result")
DoorKind = Literal["sync", "async"]


class Door(Protocol):
    """A store under test."""

    async def append(self, stream: str, events: Iterable[Any], **options: Any) -> lf.AppendResult: ...

    async def append_all(self, writes: Iterable[lf.Write], **options: Any) -> list[lf.AppendResult]: ...

    async def append_batch(self, appends: Sequence[Append]) -> list[Outcome]: ...

    async def decision(self, query: lf.Query) -> lf.results.Decision: ...

    async def read(self, stream: str, **bounds: Any) -> list[lf.RecordedEvent]: ...

    async def read_all(self, query: lf.Query = lf.Query.ALL, **bounds: Any) -> list[lf.RecordedEvent]: ...

    async def head(self) -> int: ...

    async def checkpoint(self) -> lf.Checkpoint: ...

    async def execute(self, sql: str) -> list[Row]: ...

    def table(self, name: str) -> str: ...

    def follow(
        self, query: lf.Query = lf.Query.ALL, *, after: int | lf.Checkpoint = 0
    ) -> AbstractAsyncContextManager[Follower]: ...


class Follower(Protocol):
    """A subscription under test."""

    async def next(self) -> lf.RecordedEvent: ...

    @property
    def position(self) -> int: ...

    @property
    def checkpoint(self) -> lf.Checkpoint | None: ...

    def close(self) -> None: ...


Connect = Callable[[], AbstractAsyncContextManager[Door]]


class AsyncDoor:
    """An `AsyncEventStore`, as it is."""

    def __init__(self, store: lf.AsyncEventStore) -> None:
        self._store = store

    async def append(self, stream: str, events: Iterable[Any], **options: Any) -> lf.AppendResult:
        return await self._store.append(stream, events, **options)

    async def append_all(self, writes: Iterable[lf.Write], **options: Any) -> list[lf.AppendResult]:
        return await self._store.append_all(writes, **options)

    async def append_batch(self, appends: Sequence[Append]) -> list[Outcome]:
        return await self._store._log.append_batch(appends)

    async def decision(self, query: lf.Query) -> lf.results.Decision:
        return await self._store.decision(query)

    async def read(self, stream: str, **bounds: Any) -> list[lf.RecordedEvent]:
        return [recorded async for recorded in self._store.read(stream, **bounds)]

    async def read_all(self, query: lf.Query = lf.Query.ALL, **bounds: Any) -> list[lf.RecordedEvent]:
        return [recorded async for recorded in self._store.read_all(query, **bounds)]

    async def head(self) -> int:
        return await self._store.head()

    async def checkpoint(self) -> lf.Checkpoint:
        return await self._store.checkpoint()

    def table(self, name: str) -> str:
        return self._store._log.database.table(name)

    async def execute(self, sql: str) -> list[Row]:
        return await _execute(self._store._log, sql)

    @asynccontextmanager
    async def follow(
        self, query: lf.Query = lf.Query.ALL, *, after: int | lf.Checkpoint = 0
    ) -> AsyncIterator[Follower]:
        async with self._store.subscribe(query, after=after) as subscription:
            yield _AsyncFollower(subscription)


class SyncDoor:
    """An `EventStore`, each call in a thread."""

    def __init__(self, store: lf.EventStore, threads: ThreadPoolExecutor) -> None:
        self._store = store
        self._threads = threads

    async def append(self, stream: str, events: Iterable[Any], **options: Any) -> lf.AppendResult:
        return await self._run(partial(self._store.append, stream, events, **options))

    async def append_all(self, writes: Iterable[lf.Write], **options: Any) -> list[lf.AppendResult]:
        return await self._run(partial(self._store.append_all, writes, **options))

    async def append_batch(self, appends: Sequence[Append]) -> list[Outcome]:
        return await self._run(lambda: step(self._store._log.append_batch(appends)))

    async def decision(self, query: lf.Query) -> lf.results.Decision:
        return await self._run(lambda: self._store.decision(query))

    async def read(self, stream: str, **bounds: Any) -> list[lf.RecordedEvent]:
        return await self._run(lambda: list(self._store.read(stream, **bounds)))

    async def read_all(self, query: lf.Query = lf.Query.ALL, **bounds: Any) -> list[lf.RecordedEvent]:
        return await self._run(lambda: list(self._store.read_all(query, **bounds)))

    async def head(self) -> int:
        return await self._run(self._store.head)

    async def checkpoint(self) -> lf.Checkpoint:
        return await self._run(self._store.checkpoint)

    def table(self, name: str) -> str:
        return self._store._log.database.table(name)

    async def execute(self, sql: str) -> list[Row]:
        return await self._run(lambda: step(_execute(self._store._log, sql)))

    @asynccontextmanager
    async def follow(
        self, query: lf.Query = lf.Query.ALL, *, after: int | lf.Checkpoint = 0
    ) -> AsyncIterator[Follower]:
        with self._store.subscribe(query, after=after) as subscription:
            yield _SyncFollower(subscription, self._run)

    async def _run(self, call: Callable[[], Result]) -> Result:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(call))


class _AsyncFollower:
    def __init__(self, subscription: lf.types.AsyncSubscription) -> None:
        self._subscription = subscription

    @property
    def position(self) -> int:
        return self._subscription.position

    @property
    def checkpoint(self) -> lf.Checkpoint | None:
        return self._subscription.checkpoint

    async def next(self) -> lf.RecordedEvent:
        return await anext(self._subscription)

    def close(self) -> None:
        self._subscription.close()


class _SyncFollower:
    def __init__(self, subscription: lf.types.Subscription, run: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._subscription = subscription
        self._run = run

    @property
    def position(self) -> int:
        return self._subscription.position

    @property
    def checkpoint(self) -> lf.Checkpoint | None:
        return self._subscription.checkpoint

    async def next(self) -> lf.RecordedEvent:
        found: lf.RecordedEvent | None = await self._run(lambda: next(self._subscription, None))
        if found is None:
            raise StopAsyncIteration
        return found

    def close(self) -> None:
        self._subscription.close()


@asynccontextmanager
async def open_door(url: str, kind: DoorKind, **options: Any) -> AsyncIterator[Door]:
    """A store at ``url`` through the door of a kind; options are those of `leftfold.connect`."""
    if kind == "async":
        async with lf.connect_async(url, **options) as store:
            yield AsyncDoor(store)
        return
    with ThreadPoolExecutor(100) as threads, lf.connect(url, **options) as blocking:
        yield SyncDoor(blocking, threads)


async def doors(stack: AsyncExitStack, connect: Connect, count: int) -> list[Door]:
    """Several stores over the same log."""
    return [await stack.enter_async_context(connect()) for _ in range(count)]


def scenario(check: Callable[[Any, Connect], Coroutine[Any, Any, None]]) -> Callable[[Any, Connect], None]:
    """Lets a check that is a coroutine be collected and run as an ordinary test."""

    @wraps(check)
    def run(self: Any, connect: Connect) -> None:
        asyncio.run(check(self, connect))

    return run


async def _execute(log: Log, sql: str) -> list[Row]:
    async with log.database.connection() as connection:
        return await connection.execute(sql)
