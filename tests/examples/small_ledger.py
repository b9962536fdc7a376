"""A small ledger of the project's own, in the format of the real one, and its figures by plain arithmetic in cents."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

HEADER = '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"\n'
ACCOUNTS = 30
TRANSACTIONS = 1_000
MISPRINTED = 4
"""Account-days whose only printed balance is wrong, as the real ledger has some."""


@dataclass
class Line:
    """One transaction; amounts in cents."""

    number: int
    account: int
    day: date
    kind: str
    amount: int
    balance: int = 0

    def __str__(self) -> str:
        return (
            f'{self.number};{self.account};{self.day:%y%m%d};"{self.kind}";"VKLAD";'
            f'{decimal(self.amount)};{decimal(self.balance)};"";;\n'
        )


@dataclass
class Figures:
    """What anything that reads the ledger must find."""

    lines: list[Line]
    day_ends: dict[tuple[int, date], int] = field(default_factory=dict)
    """The balance in cents at the end of each day on which an account had a movement."""

    @property
    def events(self) -> int:
        return TRANSACTIONS + ACCOUNTS

    def balances(self, until: date = date.max) -> dict[int, int]:
        """Each account's balance in cents at the end of a day, of those that had a movement by then."""
        return {account: cents for (account, day), cents in sorted(self.day_ends.items()) if day <= until}

    def movements(self, until: date = date.max) -> dict[int, list[date]]:
        """The days of each account's transactions until then."""
        found: dict[int, list[date]] = {}
        for line in self.lines:
            if line.day <= until:
                found.setdefault(line.account, []).append(line.day)
        return found


def write_ledger(folder: Path) -> Figures:
    """Write ``trans.asc``, the same each time, in order of days; accounts are opened throughout the year."""
    chance = random.Random(1993)
    numbers = chance.sample(range(1, 1_000_000), TRANSACTIONS)
    accounts = chance.sample(range(1, 12_000), ACCOUNTS)
    first_days = {account: chance.randrange(300) for account in accounts}
    lines: list[Line] = []
    for number in numbers:
        account = accounts[len(lines) % ACCOUNTS]
        day = date(1993, 1, 1) + timedelta(chance.randrange(first_days[account], 365))
        kind = chance.choice(["PRIJEM", "PRIJEM", "VYDAJ", "VYBER"])
        lines.append(Line(number, account, day, kind, chance.randrange(1, 500_000)))
    lines.sort(key=lambda line: (line.day, line.number))
    balances = dict.fromkeys(accounts, 0)
    figures = Figures(lines)
    for line in lines:
        balances[line.account] += line.amount if line.kind == "PRIJEM" else -line.amount
        line.balance = figures.day_ends[line.account, line.day] = balances[line.account]
    days = [(line.account, line.day) for line in lines]
    single = [line for line in lines if days.count((line.account, line.day)) == 1]
    for line in chance.sample(single, MISPRINTED):
        line.balance += 12_345
    (folder / "trans.asc").write_text(HEADER + "".join(map(str, lines)))
    return figures


def decimal(cents: int) -> str:
    """As the bank prints it."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
