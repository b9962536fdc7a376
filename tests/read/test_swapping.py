"""The moment of the swap: who reads, writes or holds something then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.database.url import parse_url
from leftfold.follow.checkpoints.generation import Generation
from leftfold.front.projector import Projector
from leftfold.read.apply.live import LiveRows
from leftfold.read.rebuild import rebuild as rebuilding
from tests.read.bank import CATEGORY, Balance, Deposited, Opened, balances, fill, folded, stored, stream
from tests.read.test_worker import eventually, running
from tests.read.versions import Statement, doubled, parts_of, statements, versions


@pytest.fixture
def live(store_url: str) -> Iterator[lf.EventStore]:
    """A store whose projection of version 1 is up to date."""
    with lf.connect(store_url) as store:
        fill(store, 90)
        Projector(store._log, [balances]).catch_up()
        yield store


@contextmanager
def beside(run: Callable[[], Any]) -> Iterator[None]:
    """It runs again and again in a thread, until the block ends, and never fails."""
    over, failures = threading.Event(), []

    def loop() -> None:
        try:
            while not over.is_set():
                run()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
    assert failures == []


def test_views_answer_all_the_while_with_rows_of_one_version_or_the_other(live: lf.EventStore, store_url: str) -> None:
    old, new = folded(live), folded(live, doubled)
    seen: list[int] = []

    def look() -> None:
        rows = stored(live)
        assert rows in (old, new), "rows of both"
        version = 1 if rows == old else 2
        if seen[-1:] != [version]:
            seen.append(version)

    with lf.connect(store_url) as other, beside(look), beside(lambda: live.view(Balance).get("acc-1")):
        for _ in range(4):
            other.projector([doubled]).rebuild("balances", parts=2)
            eventually(lambda: seen[-1] == 2, "the new rows are seen")
            other.projector([doubled]).rollback("balances")
            eventually(lambda: seen[-1] == 1, "the old rows are seen")
    assert seen == [1, 2, 1, 2, 1, 2, 1, 2, 1], "never back and forth"


@pytest.mark.exhaustive
def test_old_and_new_workers_run_side_by_side_while_events_come(live: lf.EventStore, store_url: str) -> None:
    number = iter(range(1_000_000))

    def append() -> None:
        one = next(number)
        event = Opened(owner="x") if one < 20 else Deposited(amount=Decimal(one))
        live.append(stream(f"busy-{one % 20}"), [event])

    with beside(append), running(store_url, balances), running(store_url, balances):
        there = live.head() + 30
        eventually(lambda: standing(live) >= there, "events come and are applied")
        with running(store_url, statements):
            live.projector([statements]).rebuild("balances", parts=2)
            there = live.head()
            assert min(one.position for one in parts_of(live, "live")) > 0
            eventually(lambda: standing(live) >= there, "workers of the new code have taken over")
            live.projector([statements]).rollback("balances")
            there = live.head()
            eventually(lambda: standing(live) >= there, "workers of the old code have taken over again")
            live.projector([statements]).rebuild("balances", parts=4)
    eventually_folded(live)


def eventually_folded(live: lf.EventStore) -> None:
    live.projector([statements]).catch_up()
    assert stored(live, Statement) == folded(live, statements)
    live.projector([statements]).rollback("balances")
    live.projector([balances]).catch_up()
    assert stored(live) == folded(live)


def standing(store: lf.EventStore) -> int:
    return min((one.position for one in parts_of(store, "live")), default=-1)


def test_a_prepared_statement_meets_columns_of_other_types(postgres_url: str) -> None:
    select = sa.select(Balance.c.account_id, Balance.c.amount).order_by(Balance.c.account_id)
    with lf.connect(f"{postgres_url}&pool_size=1") as reading, lf.connect(postgres_url) as store:
        fill(store, 40)
        store.projector([balances]).catch_up()
        view = reading.view(Balance)
        for _ in range(10):
            before = view.select(select)
        store.projector([statements]).rebuild("balances")
        assert view.select(select) == before


@contextmanager
def reading_for_long(url: str) -> Iterator[int]:
    """Somebody has a transaction open that has read the live rows; the number of its process."""
    place: Any = parse_url(url)
    with psycopg.connect(place.conninfo) as connection:
        connection.execute(f"SELECT count(*) FROM {place.schema}.balance")
        yield connection.info.backend_pid


@pytest.mark.exhaustive
def test_a_long_query_delays_the_swap_and_nobody_else(postgres_url: str) -> None:
    with lf.connect(postgres_url) as store:
        fill(store, 40)
        store.projector([balances]).catch_up()
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(store.projector([doubled]).rebuild("balances")))
        slowest = 0.0
        with reading_for_long(postgres_url):
            thread.start()
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                started = time.monotonic()
                assert stored(store) == folded(store)
                slowest = max(slowest, time.monotonic() - started)
            assert done == []
        thread.join(30)
        assert done[0].swapped
        assert slowest < 2.5
        assert stored(store) == folded(store, doubled)


def test_a_swap_that_is_kept_from_its_locks_names_who_keeps_them(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_SWAP_SECONDS", 0.5)
    with lf.connect(postgres_url) as store:
        fill(store, 40)
        store.projector([balances]).catch_up()
        with reading_for_long(postgres_url) as process:
            with pytest.raises(lf.StoreUnavailable, match=rf"process {process} \(idle in transaction.*do it again"):
                store.projector([doubled]).rebuild("balances")
            assert not any(one.leased for one in parts_of(store, "live"))
            store.append(stream("later"), [Opened(owner="x")])
            store.projector([balances]).catch_up()
        assert store.projector([doubled]).rebuild("balances").events <= 2 * 1
        assert stored(store) == folded(store, doubled)


def test_a_worker_that_folds_while_its_tables_are_swapped_writes_nothing(live: lf.EventStore) -> None:
    swapped = False

    def slow(row: Balance | None, recorded: lf.RecordedEvent) -> Any:
        nonlocal swapped
        if not swapped:
            swapped = True
            live.projector([statements]).rebuild("balances")
        return balances.function(row, recorded)

    first = lf.projection(Balance, category=CATEGORY, on=balances.on, name="balances")(slow)
    live.projector([first]).accept_changes("balances")
    live.append(stream("later"), [Opened(owner="x")])
    with pytest.raises(lf.errors.ProcessorOutdated, match="made by version 3, and this is version 1"):
        live.projector([first]).catch_up()
    assert stored(live, Statement) == folded(live, statements)
    assert versions(live) == {"live": 3, "former": 1}
    live.projector([first]).rollback("balances")
    assert "later" not in stored(live)
    live.projector([first]).catch_up()
    assert stored(live) == folded(live)


def test_rows_that_come_back_behind_the_look_at_others_are_not_folded_by_their_code(
    live: lf.EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People roll back between the look at the live generation and the work on it. Both have the same columns."""
    live.projector([doubled]).rebuild("balances")
    looks = 0

    async def looked(self: LiveRows, generation: Generation | None) -> bool:
        nonlocal looks
        fits = await look(self, generation)
        looks += 1
        if looks == 1:
            live.projector([balances]).rollback("balances")
        return fits

    look = LiveRows._made_ready
    monkeypatch.setattr(LiveRows, "_made_ready", looked)
    live.append(stream("acc-1"), [Deposited(amount=Decimal(7))])
    with pytest.raises(lf.errors.ProcessorOutdated, match="made by version 1, and this is version 2"):
        live.projector([doubled]).catch_up()
    live.projector([balances]).catch_up()
    assert stored(live) == folded(live)
