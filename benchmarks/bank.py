"""The bank that is measured: the same facts, state and read model as in `benchmarks.peer.bank`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import leftfold as lf


class AccountOpened(lf.Event):
    owner: str


class MoneyDeposited(lf.Event):
    amount: Decimal


class BankAccount(lf.Aggregate):
    """An account: opened, then deposited to."""

    owner: str = ""
    balance: Decimal = Decimal(0)

    def open(self, owner: str) -> None:
        self.record(AccountOpened(owner=owner))

    def deposit(self, amount: Decimal) -> None:
        self.record(MoneyDeposited(amount=amount))

    def apply(self, event: AccountOpened | MoneyDeposited) -> None:
        match event:
            case MoneyDeposited(amount=amount):
                self.balance += amount
            case AccountOpened(owner=owner):
                self.owner = owner


class AccountSummary(lf.ReadModel):
    account_id: lf.Key[str]
    owner: str
    balance: Decimal = Decimal(0)
    tx_count: int = 0
    last_tx_at: datetime | None = None


@lf.projection(AccountSummary, category="BankAccount", on=[AccountOpened, MoneyDeposited])
def account_summary(row: AccountSummary | None, recorded: lf.RecordedEvent) -> AccountSummary | None:
    match recorded.event:
        case MoneyDeposited(amount=amount) if row is not None:
            return row.replace(balance=row.balance + amount, tx_count=row.tx_count + 1, last_tx_at=recorded.occurred_at)
        case AccountOpened(owner=owner):
            return AccountSummary(account_id=recorded.stream_id, owner=owner)
    return row
