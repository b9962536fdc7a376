"""An aggregate before any store: what a class may say, and what recording does."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import leftfold as lf
from tests.write.bank import Account, Deposited, Opened

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
ONE = Decimal(1)
Meta: Any = type(lf.Aggregate)


def defined(fields: dict[str, Any], **options: Any) -> type[lf.Aggregate]:
    """What ``class Thing(lf.Aggregate, **options)`` with these annotated fields would be."""
    annotations = {name: type(value) for name, value in fields.items()}
    made: type[lf.Aggregate] = Meta(
        "Thing", (lf.Aggregate,), {"__annotations__": annotations, "__module__": __name__, **fields}, **options
    )
    return made


def test_a_new_aggregate_is_nobody_yet() -> None:
    account = Account()
    assert (account.id, account.version, account.position, account.pending) == ("", 0, 0, ())


def test_recording_changes_the_state_now_and_waits_to_be_saved() -> None:
    account = Account()
    account.open("Ann")
    account.deposit(ONE)
    assert (account.owner, account.balance, account.version) == ("Ann", ONE, 0)
    assert [new.event for new in account.pending] == [Opened(owner="Ann"), Deposited(amount=ONE)]
    assert account.pending[0].id < account.pending[1].id


def test_a_refused_command_records_nothing() -> None:
    account = Account()
    with pytest.raises(ValueError, match="positive"):
        account.deposit(Decimal(0))
    assert account == Account()
    assert account.pending == ()


def test_pending_cannot_be_changed_from_outside() -> None:
    account = Account()
    account.deposit(ONE)
    assert isinstance(account.pending, tuple)
    with pytest.raises(AttributeError):
        account.pending = ()  # type: ignore[misc]


def test_a_new_event_says_everything_about_itself() -> None:
    account = Account()
    account.record(lf.NewEvent(Deposited(amount=ONE), occurred_at=NOON, tags=["a:1"]))
    assert (account.balance, account.pending[0].occurred_at) == (ONE, NOON)
    with pytest.raises(lf.InvalidArgument, match="give them there, not to record"):
        account.record(lf.NewEvent(Deposited(amount=ONE)), occurred_at=NOON)
    assert len(account.pending) == 1


@pytest.mark.parametrize("name", ["id", "version", "position", "pending", "record", "apply", "_pending", "_version"])
def test_names_that_every_aggregate_has_are_refused_as_fields(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Thing: {name} cannot be a field"):
        defined({name: 0})


def test_what_every_aggregate_has_cannot_be_defined_anew() -> None:
    with pytest.raises(TypeError, match="version cannot be a field or be defined anew"):

        class Thing(lf.Aggregate):
            def version(self) -> int:  # type: ignore[override]
                return 7


def test_a_field_without_a_default_is_refused() -> None:
    with pytest.raises(TypeError, match="owner has no default: the fields are the state before the first event"):

        class Thing(lf.Aggregate):
            owner: str
            balance: Decimal = Decimal(0)

    with pytest.raises(TypeError, match="owner has no default"):

        class Other(lf.Aggregate, kw_only=True):
            balance: Decimal = Decimal(0)
            owner: str


@pytest.mark.parametrize("every", [0, -1, True, 2.5])
def test_a_number_of_events_between_snapshots_is_checked(every: Any) -> None:
    with pytest.raises(TypeError, match="Thing: snapshot_every is a number of events from 1"):
        defined({"name": ""}, snapshot_every=every)


@pytest.mark.parametrize("category", ["", "bank-account", "a\0b"])
def test_a_category_is_checked(category: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="is no category"):
        defined({"name": ""}, category=category)


def test_state_that_apply_sets_must_be_declared() -> None:
    class Forgetful(lf.Aggregate):
        def apply(self, event: Deposited) -> None:
            self.balance = event.amount

    with pytest.raises(AttributeError) as failure:
        Forgetful().record(Deposited(amount=ONE))
    assert failure.value.__notes__ == [
        "State that apply sets must be declared as a field of " + Forgetful.__qualname__ + "."
    ]


def test_an_aggregate_without_apply_says_what_is_missing() -> None:
    class Empty(lf.Aggregate):
        name: str = ""

    with pytest.raises(NotImplementedError, match=r"Empty needs an apply\(self, event\)"):
        Empty().record(Deposited(amount=ONE))


def test_states_do_not_share_what_is_mutable() -> None:
    first, second = Account(), Account()
    first.deposit(ONE)
    assert second.movements == []


def test_a_copy_goes_its_own_way() -> None:
    account = Account()
    account.deposit(ONE)
    other = copy(account)
    assert (other, other.pending) == (account, account.pending)
    other.deposit(ONE)
    assert (len(account.pending), len(other.pending)) == (1, 2)
    assert account.balance == ONE


def test_the_bookkeeping_is_no_part_of_the_state() -> None:
    account = Account()
    account.deposit(ONE)
    assert msgspec.to_builtins(account) == {"owner": "", "balance": "1", "movements": ["1"]}
    assert repr(account) == "Account(owner='', balance=Decimal('1'), movements=[Decimal('1')])"
