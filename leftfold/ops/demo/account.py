"""The account: a state, the fold that makes it from its events, and the commands that may add to them.

The fold never refuses: what has happened has happened, even an account below zero. Commands refuse before they record.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, assert_never

import leftfold as lf
from leftfold.ops.demo.events import AccountClosed, AccountEvent, AccountOpened, MoneyDeposited, MoneyWithdrawn


class Refused(Exception):
    """The bank says no. Nothing was recorded."""


class BankAccount(lf.Aggregate, snapshot_every=100):
    """One account. Amounts are positive; every command takes ``occurred_at`` when it is told about later."""

    owner: str = ""
    balance: Decimal = Decimal(0)
    status: Literal["new", "open", "closed"] = "new"

    def apply(self, event: AccountEvent) -> None:
        match event:
            case AccountOpened(owner=owner):
                self.owner = owner
                self.status = "open"
            case MoneyDeposited(amount=amount):
                self.balance += amount
            case MoneyWithdrawn(amount=amount):
                self.balance -= amount
            case AccountClosed():
                self.status = "closed"
            case _:
                assert_never(event)

    def open(self, owner: str, *, occurred_at: datetime | None = None) -> None:
        if self.status != "new":
            raise Refused(f"account {self.id} is {self.status}: it cannot be opened again")
        if not owner:
            raise Refused(f"account {self.id} needs an owner")
        self.record(AccountOpened(owner), occurred_at=occurred_at)

    def deposit(self, amount: Decimal, *, occurred_at: datetime | None = None) -> None:
        self._check_open()
        _check_amount(amount)
        self.record(MoneyDeposited(amount), occurred_at=occurred_at)

    def withdraw(self, amount: Decimal, *, occurred_at: datetime | None = None) -> None:
        self._check_open()
        _check_amount(amount)
        if amount > self.balance:
            raise Refused(f"account {self.id} holds {self.balance}: {amount} cannot be withdrawn")
        self.record(MoneyWithdrawn(amount), occurred_at=occurred_at)

    def close(self, *, occurred_at: datetime | None = None) -> None:
        self._check_open()
        if self.balance != 0:
            raise Refused(f"account {self.id} holds {self.balance}: it must be empty to be closed")
        self.record(AccountClosed(), occurred_at=occurred_at)

    def _check_open(self) -> None:
        if self.status != "open":
            raise Refused(f"account {self.id} is {self.status}, not open")


def _check_amount(amount: Decimal) -> None:
    if not amount.is_finite() or amount <= 0:
        raise Refused(f"an amount must be positive, not {amount}")
    if amount != round(amount, 2):
        raise Refused(f"an amount has at most two decimals, not {amount}")
