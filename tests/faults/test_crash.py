"""A SIGKILL of the whole server: what was acknowledged is there, and whoever follows skips nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import psycopg
import pytest

import leftfold as lf
from leftfold.database.statements import statement
from leftfold.log.postgresql.parameters import append_parameters
from leftfold.testing.conformance.door import DoorKind, open_door
from leftfold.testing.conformance.facts import Counted, an_append, counted, registry
from leftfold.testing.postgres import ThrowawayPostgres


@pytest.fixture(scope="module")
def mortal() -> Iterator[ThrowawayPostgres]:
    """A server of this module's own, to be killed; it flushes nothing of itself before a commit asks for it."""
    with ThrowawayPostgres(wal_writer_delay="10s") as server:
        yield server


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_follower_skips_nothing_when_a_crash_takes_the_sequence_back(
    mortal: ThrowawayPostgres, kind: DoorKind, caplog: pytest.LogCaptureFixture
) -> None:
    url = mortal.create_database()
    caplog.set_level(logging.CRITICAL, "psycopg.pool")

    async def check() -> None:
        async with open_door(url, kind, registry=registry) as store, store.follow() as follower:
            await store.append("Thing-a", counted(33))
            seen = [await follower.next() for _ in range(33)]
            await asyncio.to_thread(_draw_and_roll_back, url, 40)
            drawn = await asyncio.to_thread(_last_drawn, url)
            waiting = asyncio.ensure_future(follower.next())
            mortal.kill()
            await asyncio.to_thread(mortal.start)
            async with asyncio.timeout(60):
                result = await _append_when_back(store)
                seen += [await waiting, *[await follower.next() for _ in range(2)]]
            assert result.position < drawn, "the crash took the sequence back, else this test shows nothing"
            assert seen == await store.read_all()
            assert [one.event.number for one in seen] == list(range(1, 37))

    asyncio.run(check())


async def _append_when_back(store: object) -> lf.AppendResult:
    facts = counted(3, 34)
    while True:
        try:
            return await store.append("Thing-a", facts)  # type: ignore[attr-defined,no-any-return]
        except lf.StoreUnavailable:
            await asyncio.sleep(0.05)


def _draw_and_roll_back(url: str, times: int) -> None:
    sql = statement("leftfold.log.postgresql", "append", "leftfold")
    with psycopg.connect(url) as connection:
        for number in range(times):
            append = an_append("Thing-x", counted(1, number))
            connection.execute(sql.encode(), append_parameters([append], together=False))
        connection.rollback()


def _last_drawn(url: str) -> int:
    with psycopg.connect(url) as connection:
        [(last,)] = connection.execute("SELECT last_value FROM leftfold.position").fetchall()
    return int(last)


def test_acknowledged_appends_survive_a_crash_of_the_server(mortal: ThrowawayPostgres) -> None:
    url = mortal.create_database()
    acknowledged: list[int] = []
    busy = asyncio.Event()

    async def write(store: lf.AsyncEventStore, number: int) -> None:
        turn = 0
        while True:
            turn += 1
            try:
                result = await store.append(f"Thing-{number}", [Counted(turn)], expected=turn - 1)
            except lf.StoreUnavailable:
                return
            acknowledged.append(result.position)
            if len(acknowledged) == 200:
                busy.set()

    async def race() -> None:
        async with lf.connect_async(url, registry=registry) as store:
            writers = [asyncio.ensure_future(write(store, number)) for number in range(8)]
            async with asyncio.timeout(60):
                await busy.wait()
                await asyncio.to_thread(mortal.kill)
                await asyncio.wait(writers, timeout=2)
                await asyncio.to_thread(mortal.start)
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)

    asyncio.run(race())
    with lf.connect(url, registry=registry) as store:
        everything = list(store.read_all())
    assert set(acknowledged) <= {one.position for one in everything}
    for number in range(8):
        stream = [one for one in everything if one.stream == f"Thing-{number}"]
        assert (
            [one.event.number for one in stream] == [one.version for one in stream] == list(range(1, len(stream) + 1))
        )
