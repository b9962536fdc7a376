"""The account summary: what the bank's counter shows, one row per account, folded from the same events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, assert_never

import leftfold as lf
from leftfold.ops.demo.events import AccountClosed, AccountEvent, AccountOpened, MoneyDeposited, MoneyWithdrawn


class AccountSummary(lf.ReadModel):
    account_id: lf.Key[str]
    owner: str
    balance: Decimal = Decimal(0)
    status: Literal["open", "closed"] = "open"
    tx_count: int = 0
    last_tx_at: datetime | None = None


@lf.projection(AccountSummary, category="BankAccount", on=[AccountEvent])
def account_summary(row: AccountSummary | None, recorded: lf.RecordedEvent) -> AccountSummary:
    event: AccountEvent = recorded.event
    if isinstance(event, AccountOpened):
        return AccountSummary(account_id=recorded.stream_id, owner=event.owner)
    if row is None:
        raise ValueError(f"{recorded.stream} begins with {recorded.type}: expected bank.account-opened")
    match event:
        case MoneyDeposited(amount=amount):
            return moved(row, amount, recorded.occurred_at)
        case MoneyWithdrawn(amount=amount):
            return moved(row, -amount, recorded.occurred_at)
        case AccountClosed():
            return row.replace(status="closed")
        case _:
            assert_never(event)


def moved(row: AccountSummary, amount: Decimal, at: datetime) -> AccountSummary:
    """The row after a transaction, which may be told about later than others that happened after it."""
    last_tx_at = at if row.last_tx_at is None else max(at, row.last_tx_at)
    return row.replace(balance=row.balance + amount, tx_count=row.tx_count + 1, last_tx_at=last_tx_at)
