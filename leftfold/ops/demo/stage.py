"""The stage of the demo: an open store with the bank's accounts, the screen, and the names of one performance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import leftfold as lf
from leftfold.ops.demo.account import BankAccount
from leftfold.ops.demo.screen import Screen
from leftfold.ops.demo.summary import AccountSummary


@dataclass(frozen=True, slots=True)
class Stage:
    """Account ids end in ``suffix``, which is new for each performance: the demo can run again on the same database."""

    store: lf.EventStore
    accounts: lf.Repository[BankAccount]
    screen: Screen
    suffix: str
    start: int

    def id(self, name: str) -> str:
        return name + self.suffix

    @property
    def ids(self) -> list[str]:
        return [self.id(name) for name in ("alice", "bob", "long")]

    @property
    def rows(self) -> list[AccountSummary]:
        """The read model's rows of this performance, by owner."""
        mine = AccountSummary.c.account_id.in_(self.ids)
        return self.store.view(AccountSummary).find(mine, order_by=AccountSummary.c.owner)


def january(day: int) -> datetime:
    """The end of a banking day of January 2026."""
    return datetime(2026, 1, day, 18, tzinfo=UTC)
