"""A snapshot is a shortcut: used when it may be, ignored when it may not, never in the way of an append.

These tests falsify a snapshot's state, which shows whether it was used: an account of 1,000 that was never paid in.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import leftfold as lf
from tests.write.bank import (
    Account,
    Deposit,
    Deposited,
    Move,
    Opened,
    Remembered,
    State,
    decide,
    evolve,
    remembered,
)
from tests.write.conftest import Place

ONE = Decimal(1)
FALSE = Decimal(1000)
Meta: Any = type(lf.Aggregate)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def later(name: str = "Remembered", note: bool = False, every: int = 3, state_version: int = 1) -> type[Account]:
    """The class `Remembered` as its author may have changed it since."""
    fields = {"__annotations__": {"note": str}, "note": ""} if note else {}
    namespace = {"__module__": __name__, "__qualname__": name, "__doc__": "Better said.", **fields}
    made: type[Account] = Meta(
        name, (Account,), namespace, category="Account", snapshot_every=every, state_version=state_version
    )
    return made


class Loose(lf.Aggregate, category="Account", snapshot_every=1):
    """Its state does not come back from JSON: a Decimal in a field of no type becomes a str."""

    last: Any = None

    def apply(self, event: Deposited) -> None:
        self.last = event.amount


def deposit(place: Place, *amounts: int, occurred_at: datetime | None = None) -> None:
    """One edit, or the creation, of Ann's remembered account."""
    accounts = place.repository(Remembered)
    missing = not place.events("Account-ann")
    with accounts.create("ann") if missing else accounts.edit("ann") as ann:
        for amount in amounts:
            ann.record(Deposited(amount=Decimal(amount)), occurred_at=occurred_at)


def falsify(place: Place) -> None:
    place.execute("""UPDATE {snapshots} SET state = '{{"owner":"","balance":"1000","movements":[]}}'""")


def versions(place: Place) -> list[int]:
    return [version for (version,) in place.execute("SELECT version FROM {snapshots}")]


def balance(place: Place, of: type[Account] = Remembered, **question: Any) -> Decimal:
    return place.repository(of).get("ann", **question).balance


def test_a_snapshot_is_taken_whenever_a_multiple_is_passed(place: Place) -> None:
    deposit(place, 1, 1)
    assert versions(place) == []
    deposit(place, 1)
    assert versions(place) == [3]
    deposit(place, 1, 1)
    assert versions(place) == [3]
    deposit(place, 1, 1)
    assert versions(place) == [7]


def test_a_long_creation_leaves_one_snapshot_at_its_end(place: Place) -> None:
    deposit(place, *[1] * 1234)
    assert versions(place) == [1234]
    assert balance(place) == balance(place, Account) == 1234


def test_a_load_starts_from_the_snapshot_and_folds_the_tail(place: Place) -> None:
    deposit(place, 1, 1, 1)
    falsify(place)
    place.store.append("Account-ann", [Deposited(amount=ONE)])
    ann = place.repository(Remembered).get("ann")
    assert (ann.balance, ann.version) == (FALSE + 1, 4)


def test_without_a_tail_version_and_position_come_from_the_snapshot(place: Place) -> None:
    deposit(place, 1, 1, 1)
    ann = place.repository(Remembered).get("ann")
    assert (ann.version, ann.position) == (3, place.store.head())
    ann.deposit(ONE)
    assert place.repository(Remembered).save(ann).version == 4


@pytest.mark.parametrize("of", [later(note=True), later(state_version=2), later(name="Renamed")])
def test_a_snapshot_of_other_fields_another_version_or_class_is_ignored(place: Place, of: type[Account]) -> None:
    deposit(place, 1, 1, 1)
    falsify(place)
    assert balance(place, of) == 3
    with place.repository(of).edit("ann") as ann:
        for _ in range(3):
            ann.deposit(ONE)
    assert versions(place) == [6]
    assert balance(place, of) == 6


def test_a_snapshot_serves_whatever_its_class_says_in_words_or_about_how_often(place: Place) -> None:
    deposit(place, 1, 1, 1)
    falsify(place)
    assert balance(place, later(every=5)) == FALSE


def test_a_snapshot_never_answers_about_a_moment_before_its_own(place: Place) -> None:
    deposit(place, 1, 1, occurred_at=LONG_AGO)
    deposit(place, 1, occurred_at=LONG_AGO + timedelta(days=2))
    falsify(place)
    recorded = list(place.store.read("Account-ann"))[-1].recorded_at
    tick = timedelta(microseconds=1)
    assert balance(place, at=LONG_AGO) == 2
    assert balance(place, at=LONG_AGO + timedelta(days=2) - tick) == 2
    assert balance(place, version=2) == 2
    assert balance(place, at=LONG_AGO + timedelta(days=2)) == FALSE
    assert balance(place, version=3) == FALSE
    assert balance(place, known_at=recorded) == FALSE
    with pytest.raises(lf.AggregateNotFound):
        balance(place, at=LONG_AGO - tick)


def test_an_event_backdated_behind_a_snapshot_still_counts(place: Place) -> None:
    deposit(place, 1, 1, 1, occurred_at=LONG_AGO)
    deposit(place, 5, occurred_at=LONG_AGO - timedelta(days=10))
    assert balance(place, at=LONG_AGO - timedelta(days=1)) == 5
    assert balance(place, at=LONG_AGO) == 8


def test_a_snapshot_that_stands_on_no_event_of_its_stream_is_ignored(place: Place) -> None:
    deposit(place, 1, 1, 1)
    falsify(place)
    place.execute("UPDATE {snapshots} SET version = 4")
    assert balance(place) == 3
    place.store.append("Account-ann", [Deposited(amount=ONE)])
    assert balance(place) == 4


def test_an_unreadable_snapshot_is_ignored_and_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    deposit(place, 1, 1, 1)
    place.execute("""UPDATE {snapshots} SET state = '{{"balance":"much"}}'""")
    with caplog.at_level(logging.WARNING, "leftfold"):
        assert balance(place) == 3
    assert "the snapshot of Account-ann does not fit and is ignored" in caplog.text


def test_an_older_snapshot_does_not_replace_a_newer_one(place: Place) -> None:
    deposit(place, 1, 1)
    late = place.repository(Remembered).get("ann")
    deposit(place, 1, 1, 1, 1)
    assert versions(place) == [6]
    late.deposit(ONE)
    with pytest.raises(lf.ConcurrencyError):
        place.repository(Remembered).save(late)
    assert versions(place) == [6]


def test_a_repeated_save_takes_no_snapshot_because_its_state_may_lack_what_came_between(place: Place) -> None:
    deposit(place, 1)
    accounts = place.repository(Remembered)
    ann = accounts.get("ann")
    ann.deposit(ONE)
    ann.deposit(ONE)
    place.store.append("Account-ann", [Deposited(amount=ONE)])
    place.store.append("Account-ann", ann.pending)
    assert accounts.save(ann).duplicate
    assert versions(place) == []
    assert balance(place) == 4


def test_a_snapshot_that_cannot_be_saved_does_not_fail_the_append(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.execute("DROP TABLE {snapshots}")
    with caplog.at_level(logging.WARNING, "leftfold"):
        deposit(place, 1, 1, 1)
    assert "the snapshot of Account-ann could not be saved" in caplog.text
    assert balance(place, Account) == 3


def test_a_state_that_json_cannot_keep_is_not_remembered(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "leftfold"), place.repository(Loose).create("ann") as ann:
        ann.record(Deposited(amount=ONE))
    assert "this state of Loose would not come back the same from JSON" in caplog.text
    assert place.repository(Loose).get("ann").last == ONE
    assert versions(place) == []


def test_a_decider_is_remembered_too(place: Place) -> None:
    accounts = place.deciding(remembered)
    accounts.handle("ann", Deposit(ONE))
    accounts.handle("ann", Move(Decimal(7)))
    assert versions(place) == [3]
    assert accounts.get("ann") == State(balance=ONE)
    place.execute("""UPDATE {snapshots} SET state = '{{"owner":"","balance":"1000"}}'""")
    assert accounts.handle("ann", Deposit(ONE)).version == 4
    assert accounts.get("ann") == State(balance=FALSE + 1)
    assert accounts.get("ann", version=2) == State(balance=Decimal(8))


def test_a_deciders_snapshot_of_another_state_version_is_ignored(place: Place) -> None:
    place.store.append("Account-ann", [Opened(owner="Ann"), Deposited(amount=ONE)])
    place.deciding(remembered).handle("ann", Deposit(ONE))
    place.execute("""UPDATE {snapshots} SET state = '{{"owner":"","balance":"1000"}}'""")
    raised = lf.Decider(
        category="Account", initial=State, evolve=evolve, decide=decide, snapshot_every=3, state_version=2
    )
    assert place.deciding(raised).get("ann") == State(owner="Ann", balance=Decimal(2))


def test_a_state_that_cannot_be_encoded_is_refused_when_the_repository_is_made(place: Place) -> None:
    class Strange(lf.Aggregate, snapshot_every=1):
        event: type[msgspec.Struct] | None = None

    with pytest.raises(lf.InvalidArgument, match="Strange: snapshot_every needs a state that msgspec can encode"):
        place.repository(Strange)
