"""Deciders: the same promises, for functions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from tests.write.bank import Deposit, Deposited, Move, Open, Opened, State, Withdraw, Withdrawn, account, evolve
from tests.write.conftest import Place

ONE = Decimal(1)
NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)


def deciding(decide: Any) -> lf.Decider[State, Any, Any]:
    return lf.Decider(category="Account", initial=State, evolve=evolve, decide=decide)


def test_the_first_command_finds_the_initial_state(place: Place) -> None:
    accounts = place.deciding(account)
    assert accounts.handle("ann", Open("Ann")).version == 1
    assert accounts.handle("ann", Deposit(ONE)).version == 2
    assert accounts.get("ann") == State("Ann", ONE)
    assert place.events("Account-ann") == [Opened(owner="Ann"), Deposited(amount=ONE)]


def test_a_generator_of_events_is_one_append(place: Place) -> None:
    assert place.deciding(account).handle("ann", Move(ONE)).version == 2
    assert place.events("Account-ann") == [Deposited(amount=ONE), Withdrawn(amount=ONE)]


def test_one_event_stands_for_itself_and_none_for_nothing(place: Place) -> None:
    assert place.deciding(deciding(lambda command, state: Opened(owner=command))).handle("ann", "Ann").version == 1
    result = place.deciding(deciding(lambda command, state: None)).handle("ann", "Bob")
    assert (result.version, place.events("Account-ann")) == (1, [Opened(owner="Ann")])


def test_no_event_writes_nothing(place: Place) -> None:
    accounts = place.deciding(account)
    accounts.handle("ann", Open("Ann"))
    assert accounts.handle("ann", Open("Bob")).version == 1
    assert place.events("Account-ann") == [Opened(owner="Ann")]


def test_a_refusal_comes_out_and_nothing_is_written(place: Place) -> None:
    with pytest.raises(ValueError, match="more than the 0 there is"):
        place.deciding(account).handle("ann", Withdraw(ONE))
    with pytest.raises(lf.AggregateNotFound, match="there is no Account 'ann'"):
        place.deciding(account).get("ann")


def test_an_error_inside_a_generator_comes_out_and_nothing_is_written(place: Place) -> None:
    def decide(command: object, state: State) -> Any:
        yield Deposited(amount=ONE)
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        place.deciding(deciding(decide)).handle("ann", None)
    assert place.events("Account-ann") == []


def test_a_decision_may_say_more_about_its_events(place: Place) -> None:
    decider = deciding(lambda command, state: lf.NewEvent(Deposited(amount=ONE), occurred_at=NOON, tags=["desk:3"]))
    place.deciding(decider).handle("ann", None)
    [recorded] = place.store.read("Account-ann")
    assert (recorded.occurred_at, recorded.tags) == (NOON, ("desk:3",))


def test_a_command_overtaken_by_another_writer_is_decided_again(place: Place) -> None:
    seen: list[Decimal] = []

    def decide(command: object, state: State) -> Any:
        seen.append(state.balance)
        if len(seen) == 1:
            place.store.append("Account-ann", [Deposited(amount=Decimal(2))])
        return Deposited(amount=ONE)

    assert place.deciding(deciding(decide)).handle("ann", None).version == 2
    assert seen == [0, 2]


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_command_gives_up_and_tells_how_often_it_tried(place: Place, attempts: int) -> None:
    def decide(command: object, state: State) -> Any:
        place.store.append("Account-ann", [Deposited(amount=ONE)])
        return Deposited(amount=ONE)

    with pytest.raises(lf.ConcurrencyError) as conflict:
        place.deciding(deciding(decide), attempts=attempts).handle("ann", None)
    assert (conflict.value.attempts, len(place.events("Account-ann"))) == (attempts, attempts)


def test_a_state_as_it_was(place: Place) -> None:
    accounts = place.deciding(account)
    for _ in range(3):
        accounts.handle("ann", Deposit(ONE))
    assert accounts.get("ann", version=2) == State(balance=Decimal(2))
    with pytest.raises(lf.AggregateNotFound, match="at version 4"):
        accounts.get("ann", version=4)


def test_a_category_and_a_number_between_snapshots_are_checked() -> None:
    with pytest.raises(lf.InvalidArgument, match="is no category"):
        lf.Decider(category="bank-account", initial=State, evolve=evolve, decide=lambda command, state: [])
    with pytest.raises(TypeError, match="Account: snapshot_every"):
        lf.Decider(category="Account", initial=State, evolve=evolve, decide=lambda c, s: [], snapshot_every=0)
