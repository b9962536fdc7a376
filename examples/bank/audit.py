"""The audit: the ledger's balances from the store alone, twice over, against what the bank printed. Pure.

One replay of the log gives the balance of every account at the end of every day on which it had a movement. A sample of
those account-days is asked again of each account's own past. Both must be equal; and on nearly every account-day the
balance is one that the bank printed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import NamedTuple

import leftfold as lf
from examples.bank.berka import SOURCE
from leftfold.ops.demo import AccountOpened, AccountSummary, BankAccount

TOLERANCE = Decimal("0.50")
"""The printed balances are rounded."""


class AccountDay(NamedTuple):
    """A day on which an account had a movement."""

    account: str
    day: date

    @property
    def end(self) -> datetime:
        """Its last moment."""
        return datetime.combine(self.day, time.max, UTC)


@dataclass(slots=True)
class DayEnd:
    """The balance at the end of an account-day, and the balances that the bank printed on it."""

    balance: Decimal
    printed: list[Decimal]

    @property
    def agrees(self) -> bool:
        """Whether the bank printed this balance; in no order within the day, so any of its lines will do."""
        return any(abs(self.balance - printed) <= TOLERANCE for printed in self.printed)


@dataclass(slots=True)
class Audit:
    """Folds the log, and notes what differs from it elsewhere."""

    accounts: dict[str, BankAccount] = field(default_factory=dict)
    days: dict[AccountDay, DayEnd] = field(default_factory=dict)
    transactions: int = 0
    events: int = 0
    differences: list[str] = field(default_factory=list)

    def replay(self, recorded: lf.RecordedEvent) -> None:
        """Take in the next event of the log. Accounts of another source are passed over."""
        if isinstance(recorded.event, AccountOpened) and recorded.metadata.get("source") == SOURCE:
            self.accounts[recorded.stream_id] = BankAccount()
        account = self.accounts.get(recorded.stream_id)
        if account is None:
            return
        self.events += 1
        account.apply(recorded.event)
        if "printed_balance" in recorded.metadata:
            self.transactions += 1
            self._note_day(recorded, account.balance)

    def sample(self, size: int, seed: int = 1993) -> list[AccountDay]:
        """Account-days to ask about again; the same ones for the same seed."""
        days = sorted(self.days)
        return random.Random(seed).sample(days, min(size, len(days)))

    def compare(self, day: AccountDay, past: BankAccount) -> None:
        """Hold the account as it was at the end of a day against the replay."""
        expected = self.days[day].balance
        if past.balance != expected:
            self.differences.append(f"account {day.account} on {day.day}: replay {expected}, get(at=…) {past.balance}")

    def compare_summaries(self, rows: Mapping[str, AccountSummary]) -> None:
        """Hold the read model against the replay."""
        for id, account in self.accounts.items():
            found = rows[id].balance if id in rows else None
            if found != account.balance:
                self.differences.append(f"account {id}: replay {account.balance}, read model {found}")

    @property
    def agreeing(self) -> int:
        """Account-days whose balance the bank printed too."""
        return sum(end.agrees for end in self.days.values())

    @property
    def balance(self) -> Decimal:
        """The sum of all accounts' balances."""
        return sum((account.balance for account in self.accounts.values()), Decimal(0))

    def _note_day(self, recorded: lf.RecordedEvent, balance: Decimal) -> None:
        day = AccountDay(recorded.stream_id, recorded.occurred_at.date())
        end = self.days.setdefault(day, DayEnd(balance, []))
        end.balance = balance
        end.printed.append(Decimal(recorded.metadata["printed_balance"]))
