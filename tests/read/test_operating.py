"""What people do to projections: it takes effect when it returns, and is kept with who and why."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

import leftfold as lf
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import Projection
from tests.read.bank import CATEGORY, Deposited, Opened, balances, fill, folded, stored, stream
from tests.read.test_worker import applied, eventually, parts, running

broken = True


class Sums(ReadModel):
    account_id: Key[str]
    total: Decimal = Decimal(0)
    seen: tuple[int, ...] = ()


def sum_up(row: Sums | None, recorded: lf.RecordedEvent) -> Sums:
    if broken and recorded.event.amount == 13:
        raise LookupError("thirteen")
    row = row or Sums(recorded.stream_id)
    return row.replace(total=row.total + recorded.event.amount, seen=(*row.seen, recorded.version))


pausing = projection(Sums, category=CATEGORY, on=[Deposited], name="sums")(sum_up)
setting_aside = projection(Sums, category=CATEGORY, on=[Deposited], name="sums", on_failure="park")(sum_up)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    global broken
    broken = True
    with lf.connect(store_url) as store:
        yield store


def deposit(store: lf.EventStore, account: str, *amounts: int) -> int:
    return store.append(stream(account), [Deposited(amount=Decimal(one)) for one in amounts]).position


def status(store: lf.EventStore, of: Projection[Sums] = pausing) -> lf.results.ProcessorStatus:
    [found] = store.processors.status()
    return found


def test_nothing_is_applied_while_it_is_paused(store: lf.EventStore, store_url: str) -> None:
    fill(store, 20)
    projector = store.projector([balances])
    with running(store_url):
        eventually(lambda: applied(store) == store.head(), "it catches up")
        store.processors.pause("balances", why="a migration", who="ann")
        paused_at = applied(store)
        store.append(stream("later"), [Opened(owner="later")])
        with pytest.raises(lf.errors.ProcessorPaused, match=r"paused by ann \(a migration\)"):
            projector.catch_up()
        [told] = store.processors.status()
        assert (told.state, told.position, told.lag_events) == ("paused", paused_at, 1)
        assert "paused by ann" in str(told.reason)
        assert not told.is_healthy
        with pytest.raises(lf.errors.ProjectionBehind, match="paused by ann"):
            store.view(balances.model).wait_for(store.head(), timeout=0.01)
        assert applied(store) == paused_at
        store.processors.resume("balances", why="done")
        eventually(lambda: applied(store) == store.head(), "it goes on")
    assert stored(store) == folded(store)
    assert [(one.act, one.processor, one.why) for one in store.processors.audit()] == [
        ("resume", "balances", "done"),
        ("pause", "balances", "a migration"),
    ]
    assert store.processors.audit()[1].who == "ann"


def test_what_stands_still_is_tried_again_when_told_to(store: lf.EventStore, store_url: str) -> None:
    global broken
    at = deposit(store, "a", 1, 13, 2) - 1
    with running(store_url, pausing):
        eventually(lambda: bool(parts(store, "sums")) and parts(store, "sums")[0].failure is not None, "it fails")
        told = status(store)
        assert (told.state, told.lag_events) == ("failing", 2)
        assert "thirteen" in str(told.reason)
        assert "leftfold retry" in str(told.remedy)
        [failure] = store.processors.retry("sums", why="look again")
        assert failure.position == at
        eventually(
            lambda: parts(store, "sums")[0].failure is not None and applied(store, "sums") < at, "it fails again"
        )
        broken = False
        store.processors.retry("sums", why="corrected")
        eventually(lambda: applied(store, "sums") == store.head(), "it goes on")
        assert status(store).state == "current"
    assert stored(store, Sums)["a"].seen == (1, 2, 3)


def test_an_event_can_be_skipped_and_only_that_in_front_of_which_it_stands(store: lf.EventStore) -> None:
    at = deposit(store, "a", 1, 13, 2) - 1
    projector = store.projector([pausing])
    with pytest.raises(lf.ProcessorFailed):
        projector.catch_up()
    with pytest.raises(lf.InvalidState, match=f"does not stand still at {at + 1}, but at {at}"):
        store.processors.skip("sums", position=at + 1, why="x")
    store.processors.skip("sums", position=at, why="a mistake of the import", who="bob")
    projector.catch_up()
    assert stored(store, Sums)["a"].seen == (1, 3)
    act = store.processors.audit()[0]
    assert (act.act, act.who, act.why, act.details["position"]) == ("skip", "bob", "a mistake of the import", at)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_key_is_set_aside_and_the_others_go_on(store: lf.EventStore, in_memory: bool) -> None:
    global broken
    with lf.connect("sqlite://") as memory:
        store = memory if in_memory else store
        deposit(store, "a", 1, 13, 2)
        deposit(store, "b", 5)
        deposit(store, "a", 3)
        projector = store.projector([setting_aside])
        projector.catch_up()
        assert {key: row.seen for key, row in stored(store, Sums).items()} == {"a": (1,), "b": (1,)}
        told = status(store, setting_aside)
        assert told.position == store.head()
        assert told.parked is not None
        assert (told.parked.events, told.parked.keys) == (3, 1)
        deposit(store, "a", 4)
        deposit(store, "b", 6)
        store.projector([setting_aside]).catch_up()
        assert {key: row.seen for key, row in stored(store, Sums).items()} == {"a": (1,), "b": (1, 2)}
        done = store.processors.unpark("sums", why="look again")
        assert (done.applied, done.left) == (0, 4)
        broken = False
        with pytest.raises(lf.InvalidState, match="nothing is parked for 'b'"):
            store.processors.unpark("sums", key="b")
        done = store.processors.unpark("sums", key="a", why="corrected")
        assert (done.applied, done.left) == (4, 0)
        assert {key: row.seen for key, row in stored(store, Sums).items()} == {"a": (1, 2, 3, 4, 5), "b": (1, 2)}
        deposit(store, "a", 7)
        projector.catch_up()
        assert stored(store, Sums)["a"].seen == (1, 2, 3, 4, 5, 6)
        with pytest.raises(lf.InvalidState, match="nothing is parked of"):
            store.processors.unpark("sums")


def test_unparking_stops_at_the_next_event_that_fails(store: lf.EventStore) -> None:
    deposit(store, "a", 13, 2, 13, 4)
    projector = store.projector([setting_aside])
    projector.catch_up()
    failing = {13}

    def later(row: Sums | None, recorded: lf.RecordedEvent) -> Sums:
        if recorded.version == 3 and failing:
            raise LookupError("the third")
        row = row or Sums(recorded.stream_id)
        return row.replace(total=row.total + recorded.event.amount, seen=(*row.seen, recorded.version))

    corrected = projection(Sums, category=CATEGORY, on=[Deposited], name="sums", on_failure="park")(later)
    projector = store.projector([corrected])
    with pytest.raises(lf.errors.ProcessorOutdated, match="have changed"):
        projector.catch_up()
    projector.accept_changes("sums")
    done = store.processors.unpark("sums")
    assert (done.applied, done.left) == (2, 2)
    assert stored(store, Sums)["a"].seen == (1, 2)
    failing.clear()
    assert store.processors.unpark("sums").left == 0
    assert stored(store, Sums)["a"].seen == (1, 2, 3, 4)


def test_acts_on_what_is_not_there_are_refused(store: lf.EventStore) -> None:
    projector = store.projector([pausing])
    with pytest.raises(lf.InvalidArgument, match="no processor 'sums' in this database; there are: none"):
        store.processors.pause("sums", why="x")
    projector.catch_up()
    with pytest.raises(lf.InvalidState, match="does not stand still in front of any event"):
        store.processors.retry("sums")


def test_status_tells_who_runs_it_and_who_does_not(store: lf.EventStore, store_url: str) -> None:
    deposit(store, "a", 1)
    store.projector([pausing]).catch_up()
    told = status(store)
    assert (told.state, told.lag_events, told.reason) == ("orphaned", 0, "no worker runs it")
    with running(store_url, pausing):
        eventually(lambda: status(store).state == "current", "it is run")
        eventually(lambda: len(status(store).owners) == 1, "it is taken over")
        deposit(store, "a", 2)
        eventually(lambda: status(store).position == store.head(), "it follows")
        assert store.processors.status()[0].is_healthy
    assert status(store).state == "orphaned"


def test_status_tells_a_worker_whose_code_does_not_fit(store: lf.EventStore, store_url: str) -> None:
    store.projector([pausing]).catch_up()
    newer = projection(Sums, category=CATEGORY, on=[Deposited], name="sums", version=2)(sum_up)
    with running(store_url, newer):
        eventually(lambda: status(store).state == "refused", "it is refused")
        assert "this is version 2" in str(status(store).reason)
