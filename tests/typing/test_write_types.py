"""What type checkers know about the command side. Read by mypy --strict and pyright strict, run by nobody.

An ignored error here is an expected one: both checkers report an ignore that is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import assert_never, assert_type

import leftfold as lf
from leftfold.testing import Outcome, given


class Opened(lf.Event):
    owner: str


class Deposited(lf.Event):
    amount: Decimal


class Closed(lf.Event):
    reason: str


AccountEvent = Opened | Deposited


class Account(lf.Aggregate, category="Account", snapshot_every=100, state_version=2):
    owner: str = ""
    balance: Decimal = Decimal(0)

    def open(self, owner: str) -> None:
        self.record(Opened(owner))

    def deposit(self, amount: Decimal, *, note: str = "") -> None:
        self.record(Deposited(amount), tags=[note])

    def apply(self, event: AccountEvent) -> None:
        match event:
            case Opened(owner=owner):
                assert_type(owner, str)
                self.owner = owner
            case Deposited(amount=amount):
                assert_type(amount, Decimal)
                self.balance += amount
            case _:
                assert_never(event)


class Forgetful(lf.Aggregate):
    balance: Decimal = Decimal(0)

    def apply(self, event: AccountEvent) -> None:
        match event:
            case Deposited(amount=amount):
                self.balance += amount
            case _:
                assert_never(event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def aggregates_are_typed_and_change(account: Account) -> None:
    assert_type(Account(), Account)
    assert_type(Account(owner="Ann").balance, Decimal)
    assert_type((account.id, account.version, account.position), tuple[str, int, int])
    assert_type(account.pending, Sequence[lf.NewEvent])
    account.owner = "Bob"
    account.owner = 5  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    account.version = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    print(account.balanse)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


def repositories_are_typed(store: lf.EventStore, at: datetime) -> None:
    accounts = store.repository(Account, attempts=3)
    assert_type(accounts, lf.Repository[Account])
    assert_type(accounts.get("ann", at=at, known_at=at), Account)
    assert_type(accounts.get("ann", version=2), Account)
    assert_type(accounts.save(Account()), lf.AppendResult)
    with accounts.create("ann") as made, accounts.edit("bob") as loaded:
        assert_type(made, Account)
        assert_type(loaded, Account)
    assert_type(accounts.update("ann", Account.deposit, Decimal(5), note="rent"), lf.AppendResult)
    accounts.update("ann", Account.deposit, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    accounts.update("ann", Account.deposit)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    accounts.update("ann", Account.open, "Ann", note="")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    accounts.save(Forgetful())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    accounts.get("ann", at="today")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.repository(Opened)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def async_repositories_are_typed(store: lf.AsyncEventStore) -> None:
    accounts = store.repository(Account)
    assert_type(accounts, lf.AsyncRepository[Account])
    assert_type(await accounts.get("ann"), Account)
    async with accounts.create("ann") as made, accounts.edit("bob") as loaded:
        assert_type(made, Account)
        assert_type(loaded, Account)
    assert_type(await accounts.update("ann", Account.deposit, Decimal(5)), lf.AppendResult)
    await accounts.update("ann", Account.deposit, "5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class State:
    balance: Decimal = Decimal(0)


@dataclass(frozen=True)
class Open:
    owner: str


@dataclass(frozen=True)
class Deposit:
    amount: Decimal


def evolve(state: State, event: AccountEvent) -> State:
    return State(state.balance + event.amount) if isinstance(event, Deposited) else state


def decide(command: Open | Deposit, state: State) -> list[AccountEvent]:
    return [Opened(command.owner)] if isinstance(command, Open) else [Deposited(command.amount)]


def decide_one(command: Deposit, state: State) -> AccountEvent | None:
    return Deposited(command.amount) if command.amount else None


decider = lf.Decider(category="Account", initial=State, evolve=evolve, decide=decide)
single: lf.Decider[State, Deposit, AccountEvent] = lf.Decider(
    category="Account", initial=State, evolve=evolve, decide=decide_one
)


def deciders_are_inferred(store: lf.EventStore) -> None:
    assert_type(decider, lf.Decider[State, Open | Deposit, AccountEvent])
    assert_type(single, lf.Decider[State, Deposit, AccountEvent])
    accounts = store.repository(decider)
    assert_type(accounts, lf.types.DeciderRepository[State, Open | Deposit])
    assert_type(accounts.handle("ann", Deposit(Decimal(5))), lf.AppendResult)
    assert_type(accounts.get("ann"), State)
    accounts.handle("ann", "deposit")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lf.Decider("Account", int, evolve, decide)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


async def async_deciders_are_inferred(store: lf.AsyncEventStore) -> None:
    accounts = store.repository(single)
    assert_type(accounts, lf.types.AsyncDeciderRepository[State, Deposit])
    assert_type(await accounts.get("ann"), State)
    await accounts.handle("ann", Open("Ann"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def given_when_then_is_typed() -> None:
    opened = given(Account, Opened("Ann"), id="ann")
    assert_type(opened.when(Account.deposit, Decimal(5), note="rent"), Outcome[Account])
    assert_type(opened.when(Account.open, "Bob").then(Opened("Bob")).then_state(owner="Bob").state, Account)
    decided = given(decider, Opened("Ann"), Deposited(Decimal(1)))
    assert_type(decided.when(Deposit(Decimal(5))).then_state(State(Decimal(6))), Outcome[State])
    opened.when(Account.deposit, "5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    opened.when(Account.deposit)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    given(single).when(Open("Ann"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    decided.when(Open("Ann")).then_state(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    given(decider, Closed("age"))  # type: ignore[misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
