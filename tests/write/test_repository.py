"""Aggregates are loaded, changed and saved; conflicts are found, told and retried."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import leftfold as lf
from tests.write.bank import Account, Deposited, Opened, Withdrawn
from tests.write.conftest import Place

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
ONE = Decimal(1)


class Other(lf.Aggregate):
    def apply(self, event: object) -> None:
        raise AssertionError("nothing ever happens")


def open_account(place: Place, id: str, *amounts: Decimal) -> None:
    with place.repository(Account).create(id) as account:
        account.open("Ann")
        for amount in amounts:
            account.deposit(amount)


def test_what_a_block_creates_is_there_afterwards(place: Place) -> None:
    accounts = place.repository(Account)
    with accounts.create("ann") as ann:
        ann.open("Ann")
        ann.deposit(Decimal(5))
        assert (ann.id, ann.version, len(ann.pending)) == ("ann", 0, 2)
    assert (ann.version, ann.pending) == (2, ())
    assert place.events("Account-ann") == [Opened(owner="Ann"), Deposited(amount=Decimal(5))]
    again = accounts.get("ann")
    assert again == ann
    assert (again.id, again.version, again.position) == ("ann", 2, place.store.head())


def test_creating_what_exists_is_a_conflict(place: Place) -> None:
    open_account(place, "ann")
    with (
        pytest.raises(lf.ConcurrencyError, match=r"at version 1, expected no stream"),
        place.repository(Account).create("ann") as ann,
    ):
        ann.open("Impostor")
    assert place.events("Account-ann") == [Opened(owner="Ann")]


def test_creating_without_recording_creates_nothing_but_still_checks(place: Place) -> None:
    accounts = place.repository(Account)
    with accounts.create("ann") as ann:
        pass
    assert (ann.version, ann.position, place.events("Account-ann")) == (0, 0, [])
    with pytest.raises(lf.AggregateNotFound):
        accounts.get("ann")
    open_account(place, "ann")
    with pytest.raises(lf.ConcurrencyError), accounts.create("ann"):
        pass


def test_an_impossible_id_is_refused_before_the_block_runs(place: Place) -> None:
    with pytest.raises(lf.InvalidArgument, match="is a str that is not empty"), place.repository(Account).create(""):
        pytest.fail("the block ran")


def test_an_edit_is_saved_at_the_end_of_its_block(place: Place) -> None:
    open_account(place, "ann", Decimal(5))
    with place.repository(Account).edit("ann") as ann:
        ann.withdraw(Decimal(2))
    assert place.events("Account-ann")[2:] == [Withdrawn(amount=Decimal(2))]


def test_an_edit_that_raises_saves_nothing(place: Place) -> None:
    open_account(place, "ann", Decimal(5))

    def overdraw() -> None:
        with place.repository(Account).edit("ann") as ann:
            ann.deposit(ONE)
            ann.withdraw(Decimal(100))

    with pytest.raises(ValueError, match="more than the 6 there is"):
        overdraw()
    assert len(place.events("Account-ann")) == 2


def test_an_edit_overtaken_by_another_writer_is_a_conflict(place: Place) -> None:
    open_account(place, "ann")
    editing = place.repository(Account).edit("ann")
    ann = editing.__enter__()
    place.store.append("Account-ann", [Deposited(amount=ONE)])
    ann.deposit(Decimal(2))
    with pytest.raises(lf.ConcurrencyError) as conflict:
        editing.__exit__(None, None, None)
    assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == ("Account-ann", 1, 2)
    assert len(ann.pending) == 1
    assert place.repository(Account).get("ann").balance == ONE


def test_what_is_not_there_is_not_found(place: Place) -> None:
    accounts = place.repository(Account)
    with pytest.raises(lf.AggregateNotFound, match="there is no Account 'bob': the stream 'Account-bob' has no events"):
        accounts.get("bob")
    with pytest.raises(lf.AggregateNotFound), accounts.edit("bob"):
        pytest.fail("the block ran")
    with pytest.raises(lf.AggregateNotFound):
        accounts.update("bob", Account.deposit, ONE)


def test_save_goes_on_from_the_version_it_has_written(place: Place) -> None:
    open_account(place, "ann")
    accounts = place.repository(Account)
    ann = accounts.get("ann")
    for version in (2, 3):
        ann.deposit(ONE)
        result = accounts.save(ann)
        assert (result.version, result.position, result.duplicate) == (version, ann.position, False)
    assert accounts.save(ann) == lf.AppendResult(3, ann.position)
    assert accounts.get("ann") == ann


def test_the_same_save_twice_is_one_append(place: Place) -> None:
    """As after a reply that was lost: the second aggregate does not know that the first was saved."""
    open_account(place, "ann")
    accounts = place.repository(Account)
    ann = accounts.get("ann")
    ann.deposit(ONE)
    unaware = copy(ann)
    first = accounts.save(ann)
    place.store.append("Account-ann", [Deposited(amount=ONE)])
    second = accounts.save(unaware)
    assert (second.version, second.position, second.duplicate) == (first.version, first.position, True)
    assert (unaware.version, unaware.pending, len(place.events("Account-ann"))) == (2, (), 3)


def test_after_a_failed_save_everything_is_still_pending_and_can_be_saved(place: Place, store_url: str) -> None:
    open_account(place, "ann")
    with lf.connect(store_url) as closing:
        accounts = closing.repository(Account)
        ann = accounts.get("ann")
        ann.deposit(ONE)
    with pytest.raises(lf.StoreUnavailable):
        accounts.save(ann)
    assert (ann.version, len(ann.pending)) == (1, 1)
    assert place.repository(Account).save(ann).version == 2


def test_a_refused_event_is_refused_by_the_save_and_nothing_of_it_is_written(place: Place) -> None:
    open_account(place, "ann")
    accounts = place.repository(Account)
    ann = accounts.get("ann")
    ann.deposit(ONE)
    ann.deposit(Decimal("Infinity"))
    with pytest.raises(lf.InvalidEvent, match="amount"):
        accounts.save(ann)
    assert (len(ann.pending), len(place.events("Account-ann"))) == (2, 1)


def test_only_its_own_aggregates_can_be_saved(place: Place) -> None:
    accounts = place.repository(Account)
    with pytest.raises(lf.InvalidArgument, match="has no id: get it from a repository"):
        accounts.save(Account())
    with pytest.raises(lf.InvalidArgument, match="this is the repository of Account"):
        accounts.save(Other())  # type: ignore[arg-type]


def test_what_is_said_about_an_event_is_stored_with_it(place: Place) -> None:
    with lf.with_metadata(actor="ann"), place.repository(Account).create("ann") as ann:
        ann.record(Deposited(amount=ONE), occurred_at=NOON, tags=["branch:7"], metadata={"desk": 3})
        ann.record(lf.NewEvent(Deposited(amount=ONE), tags=["branch:8"]))
        ids = [new.id for new in ann.pending]
    first, second = place.store.read("Account-ann")
    assert (first.occurred_at, first.tags, first.metadata["desk"]) == (NOON, ("branch:7",), 3)
    assert [first.id, second.id] == ids
    assert second.tags == ("branch:8",)


def test_an_update_runs_the_command_with_its_arguments(place: Place) -> None:
    open_account(place, "ann")
    accounts = place.repository(Account)
    assert accounts.update("ann", Account.deposit, Decimal(5)).version == 2
    assert accounts.update("ann", Account.withdraw, amount=Decimal(2)).version == 3
    assert accounts.get("ann").balance == Decimal(3)


def test_an_update_overtaken_by_another_writer_decides_again(place: Place) -> None:
    open_account(place, "ann", Decimal(5))
    seen: list[Decimal] = []

    def take_all(account: Account) -> None:
        seen.append(account.balance)
        if len(seen) == 1:
            place.store.append("Account-ann", [Deposited(amount=Decimal(2))])
        account.withdraw(account.balance)

    assert place.repository(Account).update("ann", take_all).version == 4
    assert seen == [Decimal(5), Decimal(7)]


@pytest.mark.parametrize("attempts", [1, 3])
def test_an_update_gives_up_and_tells_how_often_it_tried(place: Place, attempts: int) -> None:
    open_account(place, "ann")
    tried: list[int] = []

    def overtaken(account: Account) -> None:
        tried.append(account.version)
        place.store.append("Account-ann", [Deposited(amount=ONE)])
        account.deposit(ONE)

    with pytest.raises(lf.ConcurrencyError) as conflict:
        place.repository(Account, attempts=attempts).update("ann", overtaken)
    assert tried == list(range(1, attempts + 1))
    assert conflict.value.attempts == attempts
    assert ("after 3 attempts" in str(conflict.value)) == (attempts == 3)


def test_an_update_that_raises_is_not_retried_and_saves_nothing(place: Place) -> None:
    open_account(place, "ann")
    with pytest.raises(ValueError, match="must be positive"):
        place.repository(Account).update("ann", Account.deposit, Decimal(-1))
    assert len(place.events("Account-ann")) == 1


@pytest.mark.parametrize("attempts", [0, True, 1.5])
def test_the_number_of_attempts_is_checked(place: Place, attempts: int) -> None:
    with pytest.raises(lf.InvalidArgument, match="attempts is a whole number from 1"):
        place.repository(Account, attempts=attempts)


def test_a_repository_is_for_an_aggregate_class_or_a_decider(place: Place) -> None:
    with pytest.raises(lf.InvalidArgument, match="for an Aggregate class or a Decider"):
        place.repository(Deposited)  # type: ignore[type-var]
