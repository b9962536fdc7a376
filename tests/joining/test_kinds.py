"""Whatever kind of connection the user holds: their tables and the events are committed together, or not at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, registry
from tests.joining.kinds import ASYNC, BLOCKING, AsyncUnit, Unit


class Boom(Exception):
    """Something of the user's own."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    place: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    with lf.connect(place, registry=registry) as store, store.transaction() as tx:
        tx.execute(f"CREATE TABLE {notes(store)} (note text NOT NULL)")
    return place


def notes(store: lf.EventStore | lf.AsyncEventStore) -> str:
    return store._log.database.table("notes")


def counted_notes(store: lf.EventStore) -> int:
    with store.transaction() as tx:
        [(count,)] = tx.execute(f"SELECT count(*) FROM {notes(store)}")
    return int(count)


def matching(kinds: dict[str, list[Any]], url: str, number: int) -> Any:
    return kinds[url.partition(":")[0]][number]


@pytest.mark.parametrize("number", range(5))
def test_appends_and_own_rows_are_committed_together(url: str, number: int) -> None:
    unit: Unit = matching(BLOCKING, url, number)
    with lf.connect(url, registry=registry) as store:
        with unit(url) as work:
            work.execute(f"INSERT INTO {notes(store)} VALUES ('before')")
            tx = store.using(work.connection)
            first = tx.append("Thing-a", [Counted(1)], expected=lf.NO_STREAM)
            tx.append_all(
                [lf.Write("Thing-a", [Counted(2)], 1), lf.Write("Thing-b", [lf.NewEvent(Counted(3), tags=["t"])])]
            )
            assert [one.event.number for one in tx.read("Thing-a")] == [1, 2]
            with pytest.raises(lf.ConcurrencyError, match="is at version 2, expected no stream"):
                tx.append("Thing-a", [Counted(9)], expected=lf.NO_STREAM)
            work.execute(f"INSERT INTO {notes(store)} VALUES ('after')")
            assert list(store.read("Thing-a")) == []
        assert (first.version, first.duplicate) == (1, False)
        assert [one.event.number for one in store.read_all()] == [1, 2, 3]
        assert [one.event.number for one in store.read_all(lf.Query.of(tags=["t"]))] == [3]
        assert counted_notes(store) == 2


@pytest.mark.parametrize("number", range(5))
def test_appends_and_own_rows_are_rolled_back_together(url: str, number: int) -> None:
    unit: Unit = matching(BLOCKING, url, number)
    with lf.connect(url, registry=registry) as store:
        with suppress(Boom), unit(url) as work:
            work.execute(f"INSERT INTO {notes(store)} VALUES ('before')")
            store.using(work.connection).append("Thing-a", [Counted(1)])
            raise Boom
        assert (list(store.read_all()), counted_notes(store)) == ([], 0)
        assert store.append("Thing-a", [Counted(1)], expected=lf.NO_STREAM).version == 1


@pytest.mark.parametrize("number", range(5))
def test_an_append_can_be_the_first_thing_in_the_transaction(url: str, number: int) -> None:
    unit: Unit = matching(BLOCKING, url, number)
    with lf.connect(url, registry=registry) as store:
        with unit(url) as work:
            store.using(work.connection).append("Thing-a", [Counted(1)])
        assert len(list(store.read("Thing-a"))) == 1


@pytest.mark.parametrize("number", range(3))
def test_the_same_through_the_async_door(url: str, number: int) -> None:
    unit: AsyncUnit = matching(ASYNC, url, number)

    async def check() -> None:
        async with lf.connect_async(url, registry=registry) as store:
            async with unit(url) as work:
                await work.execute(f"INSERT INTO {notes(store)} VALUES ('before')")
                tx = store.using(work.connection)
                await tx.append("Thing-a", [Counted(1)], expected=lf.NO_STREAM)
                await tx.append_all([lf.Write("Thing-a", [Counted(2)], 1), lf.Write("Thing-b", [Counted(3)])])
                assert [one.event.number async for one in tx.read("Thing-a")] == [1, 2]
                with pytest.raises(lf.ConcurrencyError, match="is at version 2, expected no stream"):
                    await tx.append("Thing-a", [Counted(9)], expected=lf.NO_STREAM)
                assert [one async for one in store.read("Thing-a")] == []
            assert [one.event.number async for one in store.read_all()] == [1, 2, 3]
            with suppress(Boom):
                async with unit(url) as work:
                    await store.using(work.connection).append("Thing-a", [Counted(4)])
                    await work.execute(f"INSERT INTO {notes(store)} VALUES ('never')")
                    raise Boom
            assert [one.event.number async for one in store.read_all()] == [1, 2, 3]

    asyncio.run(check())
    with lf.connect(url, registry=registry) as store:
        assert counted_notes(store) == 1
