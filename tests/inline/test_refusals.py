"""No way past a row for a process that maintains another set, and what cannot be inline at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

import leftfold as lf
from leftfold.testing.conformance.facts import an_append, counted, registry
from tests.inline.conftest import Open
from tests.inline.models import ALL, Tally, assert_exact, days, shares, stored, tallies
from tests.joining.kinds import conninfo

EVERY_WAY: list[Callable[[Any], Any]] = [
    lambda store: store.append("Thing-a", counted(1)),
    lambda store: store.append("Thing-a", counted(3)),
    lambda store: store.append_all([lf.Write("Thing-a", counted(1)), lf.Write("Thing-b", counted(1))]),
    lambda store: store.append("Thing-a", counted(1), condition=lf.AppendCondition(lf.Query.of(tags=["no:1"]))),
]


@pytest.fixture
def inline(store_url: str) -> Iterator[lf.EventStore]:
    """A store that maintains everything, with one event in it."""
    with lf.connect(store_url, registry=registry, inline=ALL) as store:
        store.append("Thing-a", counted(1))
        yield store


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_process_that_forgot_to_declare_them_is_refused(
    inline: lf.EventStore, looking: lf.EventStore, way: Callable[[Any], Any]
) -> None:
    with pytest.raises(lf.errors.ProcessorOutdated) as refused:
        way(looking)
    told = str(refused.value)
    assert "maintains inline days (version 1), shares (version 1), tallies (version 1)" in told
    assert "this process was connected with nothing" in told
    assert "connect with inline=[…] of days (version 1), shares" in told
    with pytest.raises(lf.errors.ProcessorOutdated), looking.transaction() as tx:
        way(tx)
    assert len(list(inline.read_all())) == 1
    assert_exact(inline)


def test_others_of_a_batch_are_not_told_each_others_refusal(inline: lf.EventStore, store_url: str) -> None:
    """Who repeats what is stored already gets the first result, whatever set it maintains."""
    facts = counted(1, 7)
    first = inline.append("Thing-a", facts)

    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as other:
            assert (await other.append("Thing-a", facts)).position == first.position
            both = [lf.Write("Thing-a", facts)]
            assert [one.duplicate for one in await other.append_all(both)] == [True]
            appends = [
                an_append("Thing-b", counted(1)),
                an_append("Thing-a", facts),
                an_append("Thing-c", counted(1)),
            ]
            refused, repeated, also = await other._log.append_batch(appends)
            assert isinstance(refused, lf.errors.ProcessorOutdated)
            assert isinstance(also, lf.errors.ProcessorOutdated)
            assert isinstance(repeated, lf.AppendResult)
            assert repeated.duplicate

    asyncio.run(check())
    assert_exact(inline)


def test_a_store_may_be_looked_at_without_them(inline: lf.EventStore, looking: lf.EventStore) -> None:
    assert stored(looking, Tally) == stored(inline, Tally) != {}
    assert len(list(looking.read_all())) == 1


@pytest.mark.parametrize("others", [[tallies], [*ALL[:2]], []])
def test_another_set_is_refused_at_the_door(inline: lf.EventStore, store_url: str, others: list[Any]) -> None:
    if not others:
        lf.connect(store_url, registry=registry, inline=[]).close()
        return
    with pytest.raises(
        lf.errors.ProcessorOutdated,
        match=r"To end that .* inline: store.projector\(\[…\]\).switch\('days', to='background'\)",
    ):
        lf.connect(store_url, registry=registry, inline=others)
    lf.connect(store_url, registry=registry, inline=reversed(ALL)).close()


def test_the_door_says_how_to_begin_in_a_log_that_has_events(connect: Open, looking: lf.EventStore) -> None:
    looking.append("Thing-a", counted(3))

    async def check() -> None:
        with pytest.raises(lf.errors.ProcessorOutdated) as refused:
            async with connect(inline=[tallies, shares]):
                raise AssertionError
        assert "store maintains inline nothing" in str(refused.value)
        assert (
            "store.projector([…]).switch('shares', to='inline'), store.projector([…]).switch('tallies', to='inline')"
            in str(refused.value)
        )
        projector = looking.projector([tallies, shares])
        projector.switch("shares", to="inline")
        projector.switch("tallies", to="inline")
        async with connect(inline=[tallies, shares]) as store:
            await store.append("Thing-a", counted(2))
        assert_exact(looking, [tallies, shares])

    asyncio.run(check())


def test_many_processes_may_begin_at_once(connect: Open, looking: lf.EventStore) -> None:
    async def begin(number: int) -> None:
        async with connect() as store:
            await store.append(f"Thing-{number}", counted(2))

    async def check() -> None:
        await asyncio.gather(*map(begin, range(6)))
        assert_exact(looking)

    asyncio.run(check())


def test_what_cannot_be_inline_is_refused_before_anything_is_opened(store_url: str, tmp_path: Path) -> None:
    @lf.projection(Tally, on=["conformance.counted"])
    def mixing(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
        raise AssertionError

    class Lines(lf.SqlProjection, tables=[Tally], on=["conformance.counted"]):
        def handle(self, recorded: lf.RecordedEvent) -> Any:
            raise AssertionError

    wrong: Any = Lines()
    with pytest.raises(lf.InvalidArgument, match=r"neither category=… nor key=…"):
        lf.connect(store_url, inline=[mixing])
    with pytest.raises(lf.InvalidArgument, match="made of statements"):
        lf.connect(store_url, inline=[wrong])
    with pytest.raises(lf.InvalidArgument, match="two projections are named 'tallies'"):
        lf.connect(store_url, inline=[tallies, tallies])
    with pytest.raises(lf.NotSupported, match="another database than the log"):
        lf.connect(store_url, inline=[tallies], read_models=f"sqlite:///{tmp_path}/other.db")
    with lf.connect(store_url, read_models=f"sqlite:///{tmp_path}/other.db", registry=registry) as store:
        store.append("Thing-a", counted(1))
        with pytest.raises(lf.NotSupported, match="another database than the log"):
            store.projector([tallies]).switch("tallies", to="inline")
    with lf.connect(store_url, registry=registry) as store, pytest.raises(lf.InvalidArgument, match="neither category"):
        store.projector([mixing]).switch("mixing", to="inline")


def test_other_code_under_the_same_version_is_refused_at_the_door(inline: lf.EventStore, store_url: str) -> None:
    @lf.projection(Tally, category="Thing", on=["conformance.counted"], name="tallies")
    def changed(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
        return (row or Tally(recorded.stream_id)).replace(events=-1)

    with pytest.raises(lf.errors.ProcessorOutdated, match="code or the fields of projection 'tallies' have changed"):
        lf.connect(store_url, registry=registry, inline=[changed, shares, days])


def drop_tallies(url: str) -> None:
    async def drop() -> None:
        async with lf.connect_async(url) as store, store.transaction() as tx:
            schema = store._log.database.schema
            await tx.execute(f"DROP TABLE {f'{schema}.' if schema else ''}tally")

    asyncio.run(drop())


@pytest.mark.parametrize("way", EVERY_WAY)
def test_an_outdated_process_is_told_so_even_if_a_table_of_its_own_is_gone(
    inline: lf.EventStore, looking: lf.EventStore, store_url: str, way: Callable[[Any], Any]
) -> None:
    looking.projector([tallies]).switch("tallies", to="background")
    drop_tallies(store_url)
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"maintains inline days .*, shares .*, and this process was connected"
    ):
        way(inline)
    assert len(list(looking.read_all())) == 1


def test_a_table_that_is_gone_is_told(inline: lf.EventStore, store_url: str) -> None:
    drop_tallies(store_url)
    with pytest.raises(lf.errors.ProcessorOutdated, match="recorded as inline, and its rows are not"):
        lf.connect(store_url, registry=registry, inline=ALL)
    with pytest.raises(lf.errors.ProcessorOutdated, match=r"table of an inline projection is gone \(.*tally.*switch"):
        inline.append("Thing-a", counted(1))
    assert len(list(inline.read_all())) == 1

    projector = inline.projector([tallies])
    projector.switch("tallies", to="background")
    projector.reset("tallies")
    projector.switch("tallies", to="inline")
    inline.append("Thing-a", counted(1))
    assert_exact(inline)


def test_acts_that_would_part_the_rows_from_the_log_are_refused(inline: lf.EventStore, looking: lf.EventStore) -> None:
    projector = looking.projector(ALL)
    with pytest.raises(lf.InvalidState, match="make it asynchronous before they are rebuilt"):
        projector.reset("tallies")
    with pytest.raises(lf.InvalidState, match="cannot be paused"):
        looking.processors.pause("tallies", why="to see")
    assert [(one.projection, one.events, one.position) for one in projector.catch_up()] == [
        (one.name, 0, looking.head()) for one in ALL
    ]
    assert {one.state for one in looking.processors.status()} == {"inline"}
    looking.view(Tally).wait_for(looking.head(), timeout=0)
    assert_exact(looking)


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_fixed_snapshot_cannot_maintain_them(postgres_url: str, level: IsolationLevel) -> None:
    with (
        lf.connect(postgres_url, registry=registry, inline=[tallies]) as store,
        lf.connect(postgres_url, registry=registry) as other,
        psycopg.connect(conninfo(postgres_url)) as held,
    ):
        held.isolation_level = level
        with pytest.raises(lf.NotSupported, match=r"inline projections.*READ COMMITTED"):
            store.using(held).append("Thing-a", counted(1))
        with pytest.raises(lf.errors.ProcessorOutdated, match="connected with nothing"):
            other.using(held).append("Thing-a", counted(1))
        held.rollback()
        assert list(store.read_all()) == []


def test_a_snapshot_from_before_the_switch_does_not_slip_past_it(postgres_url: str) -> None:
    with (
        lf.connect(postgres_url, registry=registry) as store,
        psycopg.connect(conninfo(postgres_url)) as held,
    ):
        store.append("Thing-a", counted(1))
        held.isolation_level = IsolationLevel.REPEATABLE_READ
        held.execute("SELECT count(*) FROM pg_class")
        store.projector([tallies]).switch("tallies", to="inline")
        with pytest.raises(lf.TransactionConflict):
            store.using(held).append("Thing-a", counted(1))
        held.rollback()
        assert_exact(store, [tallies])
