"""Rebuilds over real stores: new rows beside the old ones, swapped in one transaction, and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.projector import Projector
from leftfold.read.apply.maintainers import tables_of
from leftfold.read.rebuild.succession import Succession
from tests.read.bank import Balance, Deposited, Opened, balances, fill, folded, run_sql, stored, stream
from tests.read.test_worker import applied, eventually, running
from tests.read.versions import Statement, doubled, failing, generations, parts_of, statements, versions


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


@pytest.fixture
def live(store: lf.EventStore) -> lf.EventStore:
    """A store whose projection of version 1 is up to date."""
    fill(store, 90)
    Projector(store._log, [balances]).catch_up()
    return store


def test_a_new_version_takes_the_place_of_the_old_one(live: lf.EventStore) -> None:
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"made by version 1, and this is version 2.*rebuild\('balances'\)"
    ):
        live.projector([doubled]).catch_up()
    assert stored(live) == folded(live), "nothing has happened to the rows"
    done = live.projector([doubled]).rebuild("balances", why="amounts count twice", who="ann")
    assert (done.projection, done.version, done.position, done.swapped) == ("balances", 2, live.head(), True)
    assert stored(live) == folded(live, doubled) != folded(live)
    assert versions(live) == {"live": 2, "former": 1}
    with pytest.raises(lf.errors.ProcessorOutdated, match="made by version 2, and this is version 1, older code"):
        live.projector([balances]).catch_up()
    live.append(stream("later"), [Opened(owner="x"), Deposited(amount=Decimal(1))])
    live.projector([doubled]).catch_up()
    assert stored(live) == folded(live, doubled)
    assert [(one.act, one.who, one.why, one.details["version"]) for one in live.processors.audit()] == [
        ("swap", "ann", "amounts count twice", 2),
        ("rebuild", "ann", "amounts count twice", 2),
    ]


def test_fields_may_change(live: lf.EventStore) -> None:
    live.projector([statements]).rebuild("balances")
    assert stored(live, Statement) == folded(live, statements)
    live.append(stream("later"), [Opened(owner="x"), Deposited(amount=Decimal(1))])
    live.projector([statements]).catch_up()
    assert stored(live, Statement) == folded(live, statements)
    live.projector([balances]).rollback("balances")
    live.projector([balances]).catch_up()
    assert stored(live) == folded(live)


def test_rows_that_are_wrong_are_repaired_under_the_same_version(live: lf.EventStore) -> None:
    table = live._log.database.schema
    run_sql(live._log.database, f"UPDATE {table + '.' if table else ''}balance SET owner = 'nobody'")
    assert stored(live) != folded(live)
    live.projector([balances]).rebuild("balances")
    assert stored(live) == folded(live)
    assert versions(live) == {"live": 1, "former": 1}


@pytest.mark.parametrize("parts", [2, *(pytest.param(parts, marks=pytest.mark.exhaustive) for parts in (1, 3, 64))])
def test_any_number_of_parts_makes_the_same_rows(live: lf.EventStore, parts: int) -> None:
    Projector(live._log, [doubled], page_events=40).rebuild("balances", parts=parts)
    assert stored(live) == folded(live, doubled)
    assert len(parts_of(live, "live")) == {3: 4}.get(parts, parts)
    live.append(stream("later"), [Opened(owner="x")])
    live.projector([doubled]).catch_up()
    assert stored(live) == folded(live, doubled)


def test_the_new_rows_may_wait_until_somebody_has_looked_at_them(live: lf.EventStore) -> None:
    projector = live.projector([doubled])
    done = projector.rebuild("balances", swap=False)
    assert (done.swapped, done.position) == (False, live.head())
    assert stored(live) == folded(live)
    assert [(one.role, one.state) for one in live.processors.status()] == [("live", "orphaned"), ("shadow", "building")]
    live.append(stream("later"), [Opened(owner="x")])
    done = projector.rebuild("balances")
    assert (done.swapped, done.position) == (True, live.head())
    assert done.events <= 2 * 2, "only what is new"
    assert stored(live) == folded(live, doubled)


def test_rows_being_built_may_be_abandoned(live: lf.EventStore) -> None:
    projector = live.projector([doubled])
    projector.rebuild("balances", swap=False)
    projector.abandon("balances", why="a mistake", who="ann")
    assert versions(live) == {"live": 1}
    with pytest.raises(lf.InvalidState, match="no rows that are being built"):
        projector.abandon("balances")
    with pytest.raises(lf.InvalidState, match="no former rows"):
        projector.drop_former("balances")
    projector.rebuild("balances")
    assert stored(live) == folded(live, doubled)


def test_where_nothing_is_live_yet_the_new_rows_are_it(store: lf.EventStore) -> None:
    fill(store, 30)
    store.projector([balances]).rebuild("balances")
    assert stored(store) == folded(store)
    assert versions(store) == {"live": 1}
    store.append(stream("later"), [Opened(owner="x")])
    store.projector([balances]).catch_up()
    assert stored(store) == folded(store)


def test_an_empty_log_is_rebuilt_at_once(store: lf.EventStore) -> None:
    done = store.projector([balances]).rebuild("balances")
    assert (done.position, done.events, done.swapped) == (0, 0, True)
    assert stored(store) == {}


def test_older_code_does_not_rebuild(live: lf.EventStore) -> None:
    live.projector([doubled]).rebuild("balances")
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"version 2, .* version 1, older code.*rollback\('balances'\)"
    ):
        live.projector([balances]).rebuild("balances")
    assert versions(live) == {"live": 2, "former": 1}


def test_changed_code_without_a_new_version_does_not_rebuild(live: lf.EventStore) -> None:
    changed = lf.projection(Balance, category=doubled.category, on=doubled.on, name="balances")(doubled.function)
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"have changed, and its version \(1\) has not: give it version=2"
    ):
        live.projector([changed]).rebuild("balances")
    with pytest.raises(lf.errors.ProcessorOutdated, match=r"accept_changes\('balances'\)"):
        live.projector([changed]).catch_up()
    live.projector([changed]).accept_changes("balances", why="I know better", who="ann")
    live.projector([changed]).catch_up()
    assert [(one.act, one.who) for one in live.processors.audit()] == [("accept_changes", "ann")]


def test_only_one_rebuild_of_a_projection_is_under_way(live: lf.EventStore) -> None:
    live.projector([doubled]).rebuild("balances", swap=False)
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"rows of version 2 .* are being built already.*abandon\('balances'\)"
    ):
        live.projector([statements]).rebuild("balances")
    with pytest.raises(lf.errors.ProcessorOutdated, match=r"changed since its rows of version 2 were begun.*abandon"):
        live.projector([failing]).rebuild("balances")


def test_a_table_that_is_somebody_elses_is_in_the_way(live: lf.EventStore) -> None:
    schema = live._log.database.schema
    for name in ("balance__next", "elsewhere"):
        run_sql(live._log.database, f"CREATE TABLE {schema + '.' if schema else ''}{name} (customer TEXT)")
    with pytest.raises(lf.errors.ProcessorOutdated, match="there is a table balance__next already"):
        live.projector([doubled]).rebuild("balances")

    class Elsewhere(lf.ReadModel, table="elsewhere"):
        account_id: lf.Key[str]

    @lf.projection(Elsewhere, category=doubled.category, on=doubled.on, version=2, name="balances")
    def moved(row: Elsewhere | None, recorded: lf.RecordedEvent) -> Elsewhere:
        return Elsewhere(recorded.stream_id)

    with pytest.raises(lf.errors.ProcessorOutdated, match="there is a table elsewhere already"):
        live.projector([moved]).rebuild("balances")
    run_sql(live._log.database, f"DROP TABLE {schema + '.' if schema else ''}elsewhere")
    live.projector([moved]).rebuild("balances")
    assert {row.account_id for row in live.view(Elsewhere).find()} >= set(folded(live))
    with pytest.raises(lf.errors.ProcessorOutdated, match="no table"):
        live.view(Balance).find()
    live.projector([balances]).rollback("balances")
    assert stored(live) == folded(live)


def test_a_fold_that_raises_ends_the_rebuild_and_is_gone_on_with(live: lf.EventStore) -> None:
    live.append(stream("unlucky"), [Opened(owner="x"), Deposited(amount=Decimal(13)), Deposited(amount=Decimal(1))])
    live.projector([balances]).catch_up()
    for _ in range(2):
        with pytest.raises(lf.ProcessorFailed, match="thirteen") as caught:
            Projector(live._log, [failing], page_events=10).rebuild("balances", parts=4)
        assert caught.value.position == live.head() - 1
    assert stored(live) == folded(live), "the old rows are live"
    assert [one.failure is not None for one in parts_of(live, "shadow")].count(True) == 1
    with pytest.raises(lf.errors.ProcessorOutdated, match="abandon"):
        live.projector([doubled]).rebuild("balances")
    live.projector([doubled]).abandon("balances")
    live.projector([doubled]).rebuild("balances")
    assert stored(live) == folded(live, doubled)


def test_what_fails_for_a_while_is_tried_again(live: lf.EventStore) -> None:
    left = [3]

    @lf.projection(
        Balance, category=doubled.category, on=doubled.on, version=2, name="balances",
        on_failure=lf.Retry(attempts=5, first=0.01),
    )  # fmt: skip
    def asking(row: Balance | None, recorded: lf.RecordedEvent) -> Any:
        if recorded.position == 40 and left[0]:
            left[0] -= 1
            raise ConnectionError("away")
        return doubled.function(row, recorded)

    fill(live, 30, seed=2)
    live.projector([asking]).rebuild("balances")
    assert left == [0]
    assert stored(live) == folded(live, doubled)


def test_progress_is_told_to_the_end(live: lf.EventStore) -> None:
    told: list[lf.results.RebuildProgress] = []
    Projector(live._log, [doubled], page_events=5).rebuild("balances", progress=told.append)
    assert {one.projection for one in told} == {"balances"}
    assert [one.phase for one in told][-1] == "swapping"
    building = [one for one in told if one.phase == "building"]
    assert [one.done for one in building] == sorted(one.done for one in building)
    assert (building[-1].done, building[-1].total, building[-1].seconds_left) == (live.head(), live.head(), 0.0)
    assert all(threading.current_thread() is threading.main_thread() for _ in told)


def test_a_paused_projection_stays_paused(live: lf.EventStore) -> None:
    live.processors.pause("balances", why="look at it first", who="ann")
    live.append(stream("later"), [Opened(owner="x")])
    live.projector([doubled]).rebuild("balances")
    assert stored(live) == folded(live, doubled)
    with pytest.raises(lf.errors.ProcessorPaused, match="ann"):
        live.projector([doubled]).catch_up()
    live.processors.resume("balances")
    live.projector([doubled]).catch_up()


def test_rollback_is_at_once_and_goes_on_from_its_own_checkpoint(live: lf.EventStore) -> None:
    projector = live.projector([doubled])
    projector.rebuild("balances")
    live.append(stream("later"), [Opened(owner="x"), Deposited(amount=Decimal(5))])
    projector.catch_up()
    before = stored(live)
    projector.rollback("balances", why="wrong after all", who="ann")
    assert versions(live) == {"live": 1, "former": 2}
    assert "later" not in stored(live)
    live.projector([balances]).catch_up()
    assert stored(live) == folded(live)
    with pytest.raises(lf.errors.ProcessorOutdated, match="this is version 2"):
        projector.catch_up()
    projector.rollback("balances")
    assert stored(live) == before, "and forward again"
    live.append(stream("later"), [Deposited(amount=Decimal(5))])
    projector.catch_up()
    assert stored(live) == folded(live, doubled)
    assert [one.act for one in live.processors.audit(limit=2)] == ["rollback", "rollback"]


def test_rollback_is_possible_while_other_rows_are_being_built(live: lf.EventStore) -> None:
    live.projector([doubled]).rebuild("balances")
    live.projector([statements]).rebuild("balances", swap=False)
    live.projector([doubled]).rollback("balances")
    assert versions(live) == {"live": 1, "former": 2, "shadow": 3}
    assert stored(live) == folded(live)
    live.projector([statements]).rebuild("balances")
    assert versions(live) == {"live": 3, "former": 1}
    assert stored(live, Statement) == folded(live, statements)


def test_former_rows_are_kept_until_they_are_dropped_or_the_next_swap(live: lf.EventStore) -> None:
    projector = live.projector([doubled])
    projector.rebuild("balances")
    first = generations(live)["former"]
    projector.rebuild("balances")
    assert generations(live)["former"].number == first.number + 1
    projector.drop_former("balances", why="all is well", who="ann")
    assert versions(live) == {"live": 2}
    with pytest.raises(lf.InvalidState, match="no former rows to go back to"):
        projector.rollback("balances")
    schema = live._log.database.schema
    with pytest.raises(Exception, match="balance__former"):
        run_sql(live._log.database, f"SELECT * FROM {schema + '.' if schema else ''}balance__former")
    assert stored(live) == folded(live, doubled)


def test_reset_leaves_other_generations_alone(live: lf.EventStore) -> None:
    live.projector([doubled]).rebuild("balances")
    live.projector([doubled]).reset("balances")
    assert versions(live) == {"live": 2, "former": 1}
    live.projector([doubled]).catch_up()
    assert stored(live) == folded(live, doubled)
    live.projector([doubled]).rollback("balances")
    assert stored(live) == folded(live)


def test_through_the_async_door_too(live: lf.EventStore, store_url: str) -> None:
    async def run() -> list[Any]:
        told: list[Any] = []
        async with lf.connect_async(store_url) as store:
            projector = store.projector([doubled])
            await asyncio.gather(*(projector.rebuild("balances", parts=4, progress=told.append) for _ in range(3)))
            view = store.view(Balance)
            found = await view.find()
            await projector.rollback("balances")
            await projector.rebuild("balances", swap=False)
            await projector.abandon("balances")
            await projector.drop_former("balances")
        assert told
        return found

    assert {row.account_id: row for row in asyncio.run(run())} == folded(live, doubled)
    assert stored(live) == folded(live)


def test_a_cancelled_rebuild_ends_and_is_gone_on_with(live: lf.EventStore, store_url: str) -> None:
    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            projector = lf.types.AsyncProjector(store._log, [doubled], page_events=2)
            for milliseconds in range(0, 60, 6):
                task = asyncio.create_task(projector.rebuild("balances"))
                await asyncio.wait([task], timeout=milliseconds / 1000)
                task.cancel()
                await asyncio.wait([task])
            await projector.rebuild("balances")

    asyncio.run(run())
    assert stored(live) == folded(live, doubled)


def test_in_memory_too() -> None:
    with lf.connect("sqlite://") as store:
        fill(store, 60)
        store.projector([balances]).catch_up()
        done = Projector(store._log, [doubled], page_events=7).rebuild("balances", parts=4, compare=True)
        assert stored(store) == folded(store, doubled)
        assert done.comparison is not None
        assert done.comparison.rows.count > 0


def test_read_models_elsewhere_too(store_url: str, tmp_path: Any) -> None:
    with lf.connect(store_url, read_models=f"sqlite:///{tmp_path}/elsewhere.db") as store:
        fill(store, 60)
        store.projector([balances]).catch_up()
        done = store.projector([doubled]).rebuild("balances", parts=4, compare=True)
        assert {row.account_id: row for row in store.view(Balance).find()} == folded(store, doubled)
        assert done.comparison is not None
        store.projector([doubled]).rollback("balances")
        assert {row.account_id: row for row in store.view(Balance).find()} == folded(store)


@pytest.mark.exhaustive
def test_two_rebuilds_at_once_share_the_work_and_agree(live: lf.EventStore, store_url: str) -> None:
    done: list[Any] = []

    def rebuild() -> None:
        with lf.connect(store_url) as store:
            projector = Projector(store._log, [doubled], page_events=3)
            done.append(projector.rebuild("balances", parts=4))

    threads = [threading.Thread(target=rebuild) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(done) == 3
    assert stored(live) == folded(live, doubled)
    swaps = [one.details["generation"] for one in live.processors.audit() if one.act == "swap"]
    assert len(swaps) == len(set(swaps)), "each generation was swapped once"


@pytest.mark.exhaustive
def test_workers_of_the_new_code_help_while_those_of_the_old_go_on(live: lf.EventStore, store_url: str) -> None:
    database = live._log.database
    tables = tables_of(doubled, database, "shadow")
    with running(store_url, balances), running(store_url, doubled):
        step(Succession(live._log, database).begin(doubled.blueprint(live._log.registry), tables, 4, None, ""))
        eventually(lambda: standing(live, "shadow") == live.head(), "a worker of the new code builds it")
        live.append(stream("later"), [Opened(owner="x")])
        eventually(lambda: standing(live, "shadow") == standing(live, "live") == live.head(), "both follow")
        assert stored(live) == folded(live)
        live.projector([doubled]).rebuild("balances")
        live.append(stream("later"), [Deposited(amount=Decimal(1))])
        eventually(lambda: standing(live, "live") == live.head(), "a worker of the new code runs it")
    assert stored(live) == folded(live, doubled)


def standing(store: lf.EventStore, role: str) -> int:
    return min((one.position for one in parts_of(store, role)), default=-1)


def test_a_worker_that_holds_what_fails_does_not_keep_it(live: lf.EventStore, store_url: str) -> None:
    live.append(stream("unlucky"), [Opened(owner="x"), Deposited(amount=Decimal(13))])
    with running(store_url, failing):
        for _ in range(3):
            with pytest.raises(lf.ProcessorFailed, match="thirteen"):
                live.projector([failing]).rebuild("balances", parts=4)
    assert applied(live) >= 0
