"""Workers over real stores: they share the work, take over from the dead, and stop when they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.options import Retry
from leftfold.follow.run.reader import SharedReader
from leftfold.front.projector import Projector
from leftfold.log.subscription.cursor import Cursor
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import Projection
from tests.read.bank import CATEGORY, Balance, Deposited, Opened, balances, fill, folded, stored, stream
from tests.read.test_restored import lose_events

LEASE = 0.6


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


@contextmanager
def running(url: str, *projections: Projection[Any]) -> Iterator[Projector]:
    """A worker in a thread, with a store of its own."""
    with lf.connect(url) as store:
        projector = Projector(store._log, projections or [balances], lease_seconds=LEASE)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                projector.run()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield projector
        finally:
            projector.stop()
            thread.join(20)
        assert not thread.is_alive(), "stopping takes too long"
        assert failures == []


def eventually(holds: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def parts(store: lf.EventStore, name: str = "balances") -> list[Partition]:
    async def load() -> list[Partition]:
        async with store._log.database.connection() as connection:
            return [one for one in await Partitions(store._log.database).all(connection) if one.name == name]

    return step(load())


def applied(store: lf.EventStore, name: str = "balances") -> int:
    return min((one.position for one in parts(store, name)), default=-1)


def test_a_worker_applies_what_is_there_and_what_comes(store: lf.EventStore, store_url: str) -> None:
    fill(store, 60)
    with running(store_url):
        eventually(lambda: applied(store) == store.head(), "it catches up")
        assert stored(store) == folded(store)
        store.append(stream("new"), [Opened(owner="New")])
        eventually(lambda: applied(store) == store.head(), "it follows")
        assert stored(store) == folded(store)
        assert [one.owner is not None for one in parts(store)] == [True]
    assert [one.owner for one in parts(store)] == [None], "what it held is free at once"


def test_two_workers_share_the_keys_and_one_takes_over_when_the_other_ends(
    store: lf.EventStore, store_url: str
) -> None:
    fill(store, 80, accounts=20)
    with running(store_url):
        with running(store_url):
            eventually(lambda: len({one.owner for one in parts(store) if one.leased}) == 2, "each has a part")
            assert [(one.first, one.last) for one in parts(store)] == [(0, 31), (32, 63)]
            for number in range(40):
                store.append(stream(f"shared-{number}"), [Opened(owner="x"), Deposited(amount=Decimal(number))])
            eventually(lambda: applied(store) == store.head(), "both follow")
            assert stored(store) == folded(store)
        eventually(lambda: [one.is_whole for one in parts(store)] == [True], "the parts are one again")
        store.append(stream("after"), [Opened(owner="x")])
        eventually(lambda: applied(store) == store.head(), "the one that is left follows")
    assert stored(store) == folded(store)


def test_a_view_waits_for_what_one_has_written(store: lf.EventStore, store_url: str) -> None:
    view = store.view(Balance)
    with pytest.raises(lf.errors.ProcessorOutdated, match="no projection maintains"):
        view.wait_for(1)
    store.projector([balances]).catch_up()
    written = store.append(stream("mine"), [Opened(owner="Me")])
    with pytest.raises(lf.errors.ProjectionBehind, match="no worker is running it") as caught:
        view.wait_for(written.position, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    with running(store_url):
        view.wait_for(written.position)
        assert view.get("mine") is not None


def test_catching_up_leaves_to_a_worker_what_it_holds_and_waits_for_it(store: lf.EventStore, store_url: str) -> None:
    fill(store, 60)
    with running(store_url):
        eventually(lambda: bool(parts(store)) and all(one.leased for one in parts(store)), "it has the lease")
        store.append(stream("late"), [Opened(owner="late")])
        store.projector([balances]).drain()
        assert stored(store) == folded(store)


def test_a_worker_that_has_died_is_replaced_within_its_lease(store: lf.EventStore, store_url: str) -> None:
    fill(store, 30)
    store.projector([balances]).catch_up()

    async def die() -> None:
        async with store._log.database.connection() as connection:
            [part] = await Partitions(store._log.database).all(connection)
            await Partitions(store._log.database).claim(connection, part, "somebody dead", LEASE)

    step(die())
    store.append(stream("late"), [Opened(owner="late")])
    with running(store_url):
        eventually(lambda: applied(store) == store.head(), "the lease runs out, and is claimed", 5)
    assert stored(store) == folded(store)


def test_a_failing_event_stands_still_and_others_go_on(store: lf.EventStore, store_url: str) -> None:
    class Names(ReadModel):
        account_id: Key[str]

    broken = True

    @projection(Names, category=CATEGORY, on=[Opened])
    def names(row: Names | None, recorded: lf.RecordedEvent) -> Names:
        if broken and recorded.event.owner == "Eve":
            raise LookupError("no name for Eve")
        return Names(recorded.stream_id)

    store.append(stream("alice"), [Opened(owner="Alice")])
    eve = store.append(stream("eve"), [Opened(owner="Eve")])
    with running(store_url, names, balances):
        eventually(lambda: applied(store) == store.head(), "the other goes on")
        eventually(lambda: any(one.failure for one in parts(store, "names")), "the failure is told")
        failures = [one.failure for one in parts(store, "names") if one.failure]
        assert [(one.position, one.type, one.attempts) for one in failures] == [(eve.position, "read.opened", 1)]
        assert "LookupError: no name for Eve" in failures[0].error
        assert "Traceback" in failures[0].traceback
    broken = False
    store.projector([names]).catch_up()
    assert set(stored(store, Names)) == {"alice", "eve"}
    assert [one.failure for one in parts(store, "names")] == [None]


def test_a_fold_that_may_be_tried_again_is(store: lf.EventStore, store_url: str) -> None:
    class Tried(ReadModel):
        account_id: Key[str]

    tries = 0

    @projection(Tried, category=CATEGORY, on=[Opened], on_failure=Retry(attempts=9, first=0.01))
    def tried(row: Tried | None, recorded: lf.RecordedEvent) -> Tried:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise ConnectionError("the other side is away")
        return Tried(recorded.stream_id)

    store.append(stream("alice"), [Opened(owner="Alice")])
    with running(store_url, tried):
        eventually(lambda: applied(store, "tried") == store.head(), "the fourth attempt does it")
    assert set(stored(store, Tried)) == {"alice"}
    assert tries == 4


def test_a_log_that_has_lost_what_was_applied_is_told_and_others_go_on(
    store: lf.EventStore, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, 40)
    store.projector([balances]).catch_up()
    lose_events(store, store.head() - 5)
    with running(store_url):
        eventually(lambda: store.processors.status()[0].state == "refused", "it is told")
        assert "has lost events" in str(store.processors.status()[0].reason)
        assert [one.owner for one in parts(store)] == [None]
    assert sum("is not run here" in one.message for one in caplog.records) == 1, "said once"


def test_what_several_projections_follow_is_read_once(store: lf.EventStore) -> None:
    class Counted(ReadModel):
        account_id: Key[str]

    @projection(Counted, category=CATEGORY)
    def counted(row: Counted | None, recorded: lf.RecordedEvent) -> Counted:
        return Counted(recorded.stream_id)

    fill(store, 40)
    queries = [balances.query(store._log.registry), counted.query(store._log.registry)]
    reader = SharedReader(store._log, queries)
    head = store.head()
    for query in queries * 3:
        for after, limit in ((0, 5), (0, 1000), (head - 3, 1000), (head, 1000)):
            standing = Cursor(store._log, after)
            step(standing.head())
            found, _ = step(reader.page(query, standing, limit))
            assert [one.position for one in found] == [
                one.position for one in store.read_all(query, after=after, limit=limit)
            ]
    assert reader.reads == 1
    store.append(stream("more"), [Opened(owner="more")])
    for query in queries:
        standing = Cursor(store._log, head)
        step(standing.head())
        page, is_last = step(reader.page(query, standing, 10))
        assert ([one.position for one in page], is_last) == ([store.head()], True)
    assert reader.reads == 2
