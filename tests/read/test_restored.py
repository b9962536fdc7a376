"""Read models in a store whose log was put back without them: they stop, say so, and are rebuilt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.projector import Projector
from leftfold.log.epochs import begin_epoch
from leftfold.read.projector import AsyncProjector
from tests.read.bank import Opened, balances, checkpoints, fill, folded, run_sql, stored, stream


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


def lose_events(store: lf.EventStore, after: int) -> None:
    """As when the log alone is restored from a backup; whoever does that drops what keeps events from being deleted."""
    database = store._log.database
    table = database.table("events")
    if database.dialect == "postgresql":
        run_sql(database, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        run_sql(database, f"DELETE FROM {table} WHERE position > {after}")
        run_sql(database, f"ALTER TABLE {table} ENABLE TRIGGER USER")
        run_sql(database, f"SELECT setval('{database.table('position')}', {after})")
        return
    [(trigger,)] = run_sql(database, "SELECT sql FROM sqlite_master WHERE name = 'leftfold_events_no_delete'")
    run_sql(database, "DROP TRIGGER leftfold_events_no_delete")
    run_sql(database, f"DELETE FROM {table} WHERE position > {after}")
    run_sql(database, trigger)


def position_of(store: lf.EventStore, number: int) -> int:
    return list(store.read_all(limit=number))[-1].position


@pytest.mark.parametrize("fresh", [False, True], ids=["running", "started again"])
@pytest.mark.parametrize("written_on", [0, 100], ids=["shorter", "written on"])
def test_a_projection_that_is_ahead_of_its_log_stops_and_is_rebuilt_by_reset(
    store: lf.EventStore, written_on: int, fresh: bool
) -> None:
    fill(store, 60)
    projector = Projector(store._log, [balances])
    projector.catch_up()
    rows, marks = stored(store), checkpoints(store)
    lose_events(store, position_of(store, 40))
    fill_on(store, written_on)
    if fresh:
        projector = Projector(store._log, [balances])
    for _ in range(2):
        with pytest.raises(
            lf.EpochChanged, match=r"processor 'balances' stands on event .*projector\.reset"
        ) as stopped:
            projector.catch_up()
        assert stopped.value.checkpoint.position == marks[0][2]
        assert (stored(store), checkpoints(store)) == (rows, marks), "nothing was touched"
    projector.reset("balances")
    projector.catch_up()
    assert stored(store) == folded(store) != rows


@pytest.mark.parametrize("written_on", [0, 100], ids=["shorter", "written on"])
def test_rows_that_tell_of_lost_events_are_replaced_by_a_rebuild(store: lf.EventStore, written_on: int) -> None:
    fill(store, 60)
    projector = Projector(store._log, [balances])
    projector.catch_up()
    rows = stored(store)
    lose_events(store, position_of(store, 40))
    fill_on(store, written_on)
    with pytest.raises(lf.EpochChanged, match=r"processor 'balances' stands on event .*projector\.rebuild"):
        projector.rebuild("balances", compare=True)
    assert stored(store) == rows
    projector.rebuild("balances")
    assert stored(store) == folded(store) != rows


def fill_on(store: lf.EventStore, events: int) -> None:
    for number in range(events):
        store.append(stream(f"later-{number % 5}"), [Opened(owner=f"{number}")])


def test_other_projections_go_on_when_one_stops(store: lf.EventStore) -> None:
    class Opening(lf.ReadModel):
        account_id: lf.Key[str]

    @lf.projection(Opening, on=[Opened], category="ReadAccount")
    def openings(row: Opening | None, recorded: lf.RecordedEvent) -> Opening | None:
        return row or Opening(account_id=recorded.stream_id)

    fill(store, 30)
    Projector(store._log, [balances]).catch_up()
    lose_events(store, position_of(store, 20))
    with pytest.raises(lf.EpochChanged):
        Projector(store._log, [balances, openings]).catch_up()
    assert set(stored(store, Opening)) == {
        one.stream_id for one in store.read_all(lf.Query.of(Opened, category="ReadAccount"))
    }


def test_projections_go_on_in_a_new_epoch_if_they_stand_before_it(store: lf.EventStore) -> None:
    fill(store, 30)
    projector = Projector(store._log, [balances])
    projector.catch_up()
    step(begin_epoch(store._log.database, "the other server took over", new_store=False))
    fill_on(store, 10)
    assert projector.catch_up()[0].events == 10
    step(begin_epoch(store._log.database, "a copy for the auditors", new_store=True))
    fill_on(store, 5)
    assert projector.catch_up()[0].events == 5
    assert epoch_of(store) == 3
    assert stored(store) == folded(store)


def epoch_of(store: lf.EventStore) -> int:
    [(epoch,)] = run_sql(store._log.database, f"SELECT epoch FROM {store._log.database.table('partitions')}")
    return int(epoch)


def test_the_same_events_at_the_same_positions_are_told_apart_by_the_epoch(store: lf.EventStore) -> None:
    """What ids cannot tell: an event was lost, and a retry brought the one after it back to its place."""
    store.append(stream("a"), [Opened(owner="a")])
    lost, repeated = lf.NewEvent(Opened(owner="lost")), lf.NewEvent(Opened(owner="b"))
    keep = store.head()
    store.append(stream("lost"), [lost])
    store.append(stream("b"), [repeated])
    projector = Projector(store._log, [balances])
    projector.catch_up()
    lose_events(store, keep)
    step(begin_epoch(store._log.database, "restored", new_store=False))
    store.append(stream("c"), [Opened(owner="instead")])
    store.append(stream("b"), [repeated])
    with pytest.raises(lf.EpochChanged, match="which ended at position"):
        projector.catch_up()
    projector.reset("balances")
    projector.catch_up()
    assert set(stored(store)) == {"a", "b", "c"}


def test_a_projection_marked_for_rebuilding_is_rebuilt_by_the_next_run(
    store: lf.EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, 40)
    running = Projector(store._log, [balances])
    running.catch_up()
    database = store._log.database
    table = "balance" if database.schema is None else f"{database.schema}.balance"
    for projector in (running, Projector(store._log, [balances])):
        run_sql(database, f"UPDATE {table} SET owner = 'wrong'")
        run_sql(database, f"UPDATE {database.table('projections')} SET rebuild = 'it was wrong'")
        with caplog.at_level(logging.WARNING, "leftfold"):
            projector.catch_up()
        assert "'balances' is rebuilt from history: it was wrong" in caplog.text
        assert stored(store) == folded(store)
        caplog.clear()


def test_the_async_door_stops_and_recovers_alike(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 30)
        Projector(store._log, [balances]).catch_up()
        lose_events(store, position_of(store, 20))

    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            projector = AsyncProjector(store._log, [balances])
            with pytest.raises(lf.EpochChanged, match="Rebuild them from history"):
                await projector.catch_up()
            await projector.reset("balances")
            await projector.catch_up()

    asyncio.run(run())
    with lf.connect(store_url) as store:
        assert stored(store) == folded(store)
