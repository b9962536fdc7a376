"""The bank of these tests: one domain twice, as an aggregate and as a decider."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

import msgspec

import leftfold as lf


class Opened(lf.Event, type="write-tests.opened"):
    owner: str


class Deposited(lf.Event, type="write-tests.deposited"):
    amount: Decimal


class Withdrawn(lf.Event, type="write-tests.withdrawn"):
    amount: Decimal


AccountEvent = Opened | Deposited | Withdrawn


class Account(lf.Aggregate, category="Account"):
    owner: str = ""
    balance: Decimal = Decimal(0)
    movements: list[Decimal] = msgspec.field(default_factory=list)

    def open(self, owner: str) -> None:
        self.record(Opened(owner=owner))

    def deposit(self, amount: Decimal) -> None:
        if amount <= 0:
            raise ValueError("amount must be positive")
        self.record(Deposited(amount=amount))

    def withdraw(self, amount: Decimal) -> None:
        if amount > self.balance:
            raise ValueError(f"{amount} is more than the {self.balance} there is")
        self.record(Withdrawn(amount=amount))

    def apply(self, event: AccountEvent) -> None:
        match event:
            case Opened(owner=owner):
                self.owner = owner
            case Deposited(amount=amount):
                self.balance += amount
                self.movements.append(amount)
            case Withdrawn(amount=amount):
                self.balance -= amount
                self.movements.append(-amount)
            case _:
                assert_never(event)


class Remembered(Account, category="Account", snapshot_every=3):
    """The same streams, with snapshots."""


class State(msgspec.Struct, frozen=True):
    owner: str = ""
    balance: Decimal = Decimal(0)


class Open(msgspec.Struct, frozen=True):
    owner: str


class Deposit(msgspec.Struct, frozen=True):
    amount: Decimal


class Withdraw(msgspec.Struct, frozen=True):
    amount: Decimal


class Move(msgspec.Struct, frozen=True):
    """In and out again, decided by a generator."""

    amount: Decimal


Command = Open | Deposit | Withdraw | Move


def evolve(state: State, event: AccountEvent) -> State:
    match event:
        case Opened(owner=owner):
            return msgspec.structs.replace(state, owner=owner)
        case Deposited(amount=amount):
            return msgspec.structs.replace(state, balance=state.balance + amount)
        case Withdrawn(amount=amount):
            return msgspec.structs.replace(state, balance=state.balance - amount)


def decide(command: Command, state: State) -> list[AccountEvent] | Iterator[AccountEvent]:
    match command:
        case Open(owner=owner):
            return [] if state.owner else [Opened(owner=owner)]
        case Deposit(amount=amount):
            return [Deposited(amount=amount)]
        case Withdraw(amount=amount):
            if amount > state.balance:
                raise ValueError(f"{amount} is more than the {state.balance} there is")
            return [Withdrawn(amount=amount)]
        case Move(amount=amount):
            return (kind(amount=amount) for kind in (Deposited, Withdrawn))


account: lf.Decider[State, Command, AccountEvent] = lf.Decider(
    category="Account", initial=State, evolve=evolve, decide=decide
)
remembered: lf.Decider[State, Command, AccountEvent] = lf.Decider(
    category="Account", initial=State, evolve=evolve, decide=decide, snapshot_every=3
)
