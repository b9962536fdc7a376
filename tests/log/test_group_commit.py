"""Concurrent appends of one process travel together, and none harms another: through both doors, on both back ends.

The line is held by locking others out of the table of events: what is asked for meanwhile gathers.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
import pytest

import leftfold as lf
from leftfold.log import group_commit
from leftfold.log.append import Append, Outcome
from leftfold.log.contract import Log
from leftfold.testing.conformance.door import AsyncDoor, Door, DoorKind, SyncDoor, open_door
from leftfold.testing.conformance.facts import counted, registry
from leftfold.testing.postgres import ThrowawayPostgres

PATIENCE = 20.0


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> DoorKind:
    door: DoorKind = request.param
    return door


@contextmanager
def writers_locked_out(url: str) -> Iterator[None]:
    """Nobody's append gets through, inside."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            yield
        return
    server, _, schema = url.partition("?schema=")
    with psycopg.connect(server) as connection:
        connection.execute(f"LOCK TABLE {schema or 'leftfold'}.events IN SHARE ROW EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def watched(url: str, kind: DoorKind) -> AsyncIterator[tuple[Door, Log, list[Sequence[Append]]]]:
    """A store, its log, and the batches that its line sends."""
    async with open_door(url, kind, registry=registry) as door:
        assert isinstance(door, AsyncDoor | SyncDoor)
        log, batches = door._store._log, list[Sequence[Append]]()
        append_batch = log.append_batch

        async def watch(appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
            batches.append(appends)
            return await append_batch(appends, wait=wait)

        group_commit: Any = log._group_commit
        group_commit._send = watch
        yield door, log, batches


async def wait_until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110 - what happens in threads sets no event of ours
            await asyncio.sleep(0.001)


def waiting(log: Log) -> int:
    """How many wait for the line."""
    batcher: Any = log._group_commit._batcher  # type: ignore[union-attr]
    return len(batcher._queue)


def most_batches(log: Log) -> int:
    """A line takes its share, half of what waits for two; again and again while the other's first is under way."""
    return 2 if log.lines == 1 else 2 * log.lines + 6


def test_what_is_asked_for_while_a_batch_is_under_way_leaves_as_one(store_url: str, kind: DoorKind) -> None:
    async def check() -> None:
        async with watched(store_url, kind) as (door, log, batches):
            with writers_locked_out(store_url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(2))) for n in range(80)]
                await wait_until(lambda: waiting(log) == 80 - log.lines)
            results = await asyncio.gather(*tasks)
            assert [result.version for result in results] == [2] * 80
            assert [len(batch) for batch in batches[: log.lines]] == [1] * log.lines
            assert sum(map(len, batches)) == 80
            assert len(batches) <= most_batches(log), "those who lead, and then by shares"

    asyncio.run(check())


def test_each_of_a_batch_has_its_own_outcome_whatever_becomes_of_the_others(store_url: str, kind: DoorKind) -> None:
    """Conflicts, repetitions, and an id that comes twice in a batch, which the server refuses with the whole of it."""

    async def check() -> None:
        async with watched(store_url, kind) as (door, log, batches):
            known, clash = counted(2), counted(1)
            await door.append("Thing-known", known)
            await door.append("Thing-other", counted(3))
            batches.clear()
            with writers_locked_out(store_url):
                first = [asyncio.ensure_future(door.append(f"Thing-first-{n}", counted(1))) for n in range(log.lines)]
                await wait_until(lambda: len(batches) == log.lines)
                asked = {
                    "stored": partial(door.append, "Thing-a", counted(2), expected=lf.NO_STREAM),
                    "conflict": partial(door.append, "Thing-other", counted(1), expected=2),
                    "behind it": partial(door.append, "Thing-other", counted(1), expected=3),
                    "too late": partial(door.append, "Thing-other", counted(1), expected=3),
                    "repeated": partial(door.append, "Thing-known", known),
                    "elsewhere": partial(door.append, "Thing-b", known),
                    "clash": partial(door.append, "Thing-c", clash),
                    "clash too": partial(door.append, "Thing-d", clash),
                    "nothing": partial(door.append, "Thing-known", [], expected=2),
                }
                tasks = []
                for count, ask in enumerate(asked.values(), start=1):
                    tasks.append(asyncio.ensure_future(ask()))
                    await wait_until(lambda: waiting(log) >= count)  # noqa: B023
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            told = dict(zip(asked, outcomes, strict=True))
            await asyncio.gather(*first)
            assert max(map(len, batches)) >= len(asked) // log.lines - 1, "each line's share, but who leads on another"
            assert {name: type(outcome) for name, outcome in told.items() if not name.startswith("clash")} == {
                "stored": lf.AppendResult,
                "conflict": lf.ConcurrencyError,
                "behind it": lf.AppendResult,
                "too late": lf.ConcurrencyError,
                "repeated": lf.AppendResult,
                "elsewhere": lf.DuplicateEvent,
                "nothing": lf.AppendResult,
            }
            assert {type(told["clash"]), type(told["clash too"])} == {lf.AppendResult, lf.DuplicateEvent}
            assert [len(await door.read(f"Thing-{name}")) for name in ("a", "other", "known", "b")] == [2, 4, 2, 0]
            assert len(await door.read("Thing-c")) + len(await door.read("Thing-d")) == 1

    asyncio.run(check())


def test_what_is_refused_beforehand_is_never_sent(store_url: str, kind: DoorKind) -> None:
    async def check() -> None:
        async with watched(store_url, kind) as (door, log, batches):
            huge = lf.RawEvent("huge", '"' + 20_000_000 * "x" + '"')
            with writers_locked_out(store_url):
                good = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(1))) for n in range(20)]
                for bad in (huge, lf.RawEvent("raw", "{")):
                    with pytest.raises((lf.errors.EventTooLarge, lf.InvalidEvent)):
                        await door.append("Thing-bad", [*counted(1), bad])
                await wait_until(lambda: waiting(log) == 20 - log.lines)
            await asyncio.gather(*good)
            assert sum(map(len, batches)) == 20
            assert await door.read("Thing-bad") == []

    asyncio.run(check())


@pytest.mark.parametrize(
    ("limit", "events"),
    [("MOST_APPENDS", 1), ("MOST_EVENTS", 3), ("MOST_BYTES", 1), ("MOST_KEYS", 1)],
)
def test_a_batch_is_bounded(
    store_url: str, kind: DoorKind, limit: str, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = {"MOST_APPENDS": 10, "MOST_EVENTS": 20, "MOST_BYTES": 500, "MOST_KEYS": 8}[limit]
    monkeypatch.setattr(group_commit, limit, most)

    def size(batch: Sequence[Append]) -> int:
        recorded = [event for append in batch for event in append.events]
        return {
            "MOST_APPENDS": len(batch),
            "MOST_EVENTS": len(recorded),
            "MOST_BYTES": sum(len(event.data) + len(event.metadata) for event in recorded),
            "MOST_KEYS": len({append.stream for append in batch} | {event.type for event in recorded}),
        }[limit]

    async def check() -> None:
        async with watched(store_url, kind) as (door, log, batches):
            with writers_locked_out(store_url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(events))) for n in range(60)]
                await wait_until(lambda: waiting(log) == 60 - log.lines)
            await asyncio.gather(*tasks)
            assert sum(map(len, batches)) == 60
            assert max(map(size, batches)) <= most
            assert max(map(len, batches)) > 1

    asyncio.run(check())


def test_an_append_larger_than_any_batch_goes_alone(store_url: str, kind: DoorKind) -> None:
    async def check() -> None:
        async with watched(store_url, kind) as (door, log, batches):
            large: list[list[Any]] = [
                counted(group_commit.MOST_EVENTS + 1),
                [lf.RawEvent("large", '"' + 2_000_000 * "x" + '"')],
            ]
            with writers_locked_out(store_url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(1))) for n in range(10)]
                await wait_until(lambda: waiting(log) == 10 - log.lines)
                tasks += [asyncio.ensure_future(door.append(f"Thing-large-{n}", one)) for n, one in enumerate(large)]
                await wait_until(lambda: waiting(log) == 12 - log.lines)
            await asyncio.gather(*tasks)
            sent_with = {append.stream: len(batch) for batch in batches for append in batch}
            assert len(sent_with) == 12
            assert [sent_with[f"Thing-large-{n}"] for n in range(2)] == [1, 1]
            assert max(sent_with.values()) >= 10 // log.lines - 1, "each line's share, but who leads on another"

    asyncio.run(check())


def test_who_finds_too_many_waiting_waits_outside_and_is_not_yet_encoded(
    store_url: str, kind: DoorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 12)
    encoded: list[int] = []

    def told(number: int) -> Iterator[lf.NewEvent]:
        encoded.append(number)
        yield from counted(1, number)

    async def check() -> None:
        async with watched(store_url, kind) as (door, log, _):
            with writers_locked_out(store_url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", told(n))) for n in range(50)]
                await wait_until(lambda: waiting(log) == 12 - log.lines)
                await asyncio.sleep(0.05)
                assert len(encoded) == 12
            await asyncio.gather(*tasks)
            assert len(encoded) == 50

    asyncio.run(check())


def test_a_cancelled_caller_takes_back_what_is_not_sent_and_delays_nobody(store_url: str) -> None:
    async def check() -> None:
        async with watched(store_url, "async") as (door, log, batches):
            with writers_locked_out(store_url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(1))) for n in range(40)]
                await wait_until(lambda: waiting(log) == 40 - log.lines)
                for task in tasks[10::3]:
                    task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for number, outcome in enumerate(outcomes):
                cancelled = number >= 10 and (number - 10) % 3 == 0
                assert isinstance(outcome, asyncio.CancelledError if cancelled else lf.AppendResult)
                assert len(await door.read(f"Thing-{number}")) == (not cancelled)
            assert len(batches) <= most_batches(log)

    asyncio.run(check())


def test_callers_that_are_cancelled_in_flight_leave_all_or_nothing_and_the_line_free(store_url: str) -> None:
    """At any moment: some before they are sent, some while the server is at work, some when all is done."""

    async def check() -> None:
        async with watched(store_url, "async") as (door, log, _):
            for turn in range(60):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(3))) for n in range(12)]
                await asyncio.sleep(turn / 20_000)
                for task in tasks[turn % 4 :: 2]:
                    task.cancel()
                async with asyncio.timeout(PATIENCE):
                    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(one) for one in outcomes} <= {lf.AppendResult, asyncio.CancelledError}
            for number in range(12):
                versions = [recorded.version for recorded in await door.read(f"Thing-{number}")]
                assert versions == list(range(1, len(versions) + 1))
                assert len(versions) % 3 == 0
            batcher: Any = log._group_commit._batcher  # type: ignore[union-attr]
            assert (batcher._free, waiting(log)) == (log.lines, 0)

    asyncio.run(check())


def test_the_end_of_an_event_loop_leaves_nothing_waiting(store_url: str) -> None:
    async def leave() -> None:
        store = await lf.connect_async(store_url, registry=registry).open()
        for number in range(100):
            asyncio.ensure_future(store.append(f"Thing-{number}", counted(1)))  # noqa: RUF006 - cancelled by run()
        await asyncio.sleep(0.002)

    began = time.monotonic()
    asyncio.run(leave())
    assert time.monotonic() - began < PATIENCE
    with lf.connect(store_url, registry=registry) as store:
        assert all(result.version == 1 for result in store.read_all())
        store.append("Thing-after", counted(1))


@contextmanager
def locks_but_for(room: int, url: str) -> Iterator[None]:
    """The server's table of locks is full, up to so many."""
    with psycopg.connect(url, autocommit=True) as connection:
        taken = 0
        with suppress(psycopg.errors.OutOfMemory):
            while True:
                connection.execute(
                    "SELECT pg_advisory_lock(k) FROM generate_series(%s::int, %s::int) k", (taken, taken + 99)
                )
                taken += 100
        connection.execute(
            "SELECT pg_advisory_unlock(k) FROM generate_series(%s::int, %s::int) k", (taken - room, taken - 1)
        )
        yield


@pytest.mark.exhaustive
def test_a_batch_that_does_not_fit_into_the_servers_table_of_locks_goes_one_by_one() -> None:
    async def check(url: str) -> None:
        async with watched(url, "async") as (door, log, batches):
            await door.append("Thing-first", counted(1))
            with writers_locked_out(url):
                tasks = [asyncio.ensure_future(door.append(f"Thing-{n}", counted(1))) for n in range(250)]
                await wait_until(lambda: waiting(log) == 250 - log.lines)
                full = locks_but_for(100, url)
                full.__enter__()
            try:
                results = await asyncio.gather(*tasks)
            finally:
                full.__exit__(None, None, None)
            assert [result.version for result in results] == [1] * 250
            assert max(map(len, batches)) > 100, "more than there is room for"

    with ThrowawayPostgres(max_connections=20, max_locks_per_transaction=20) as server:
        asyncio.run(check(server.create_database()))
