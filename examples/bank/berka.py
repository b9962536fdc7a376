"""A real bank's ledger as events: the PKDD'99 Discovery Challenge data (Berka and Sochorova), a file ``trans.asc``.

What the bank did in 1993 are facts, not commands to be judged: they are appended as they are, accounts below zero too.
Ids and batches follow from the data alone, so that importing it again is recognised and changes nothing. The balance
that the bank printed beside each transaction travels in the event's metadata, for the audit.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

import leftfold as lf
from leftfold.ops.demo import AccountOpened, MoneyDeposited, MoneyWithdrawn

CATEGORY = "BankAccount"
SOURCE = "berka"
_IDS = UUID("5c1c8d0e-6a2f-5b1e-9a53-0d7c2f0b1993")
_DEPOSIT = "PRIJEM"
_WITHDRAWALS = ("VYDAJ", "VYBER")


class Transaction(NamedTuple):
    """One line of the ledger. ``date`` is a day, as its midnight in UTC; ``amount`` is positive."""

    account: str
    date: datetime
    number: int
    is_deposit: bool
    amount: Decimal
    printed_balance: Decimal


class History(NamedTuple):
    """One account's stream as it is to be: the opening, then its movements in order of date and number."""

    stream: str
    events: list[lf.NewEvent]


def read_transactions(path: Path) -> list[Transaction]:
    """The lines of the file, or of ``trans.asc`` in a folder. OSError if there is none, ValueError for another file."""
    file = path / "trans.asc" if path.is_dir() else path
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter=";")
        try:
            return [_transaction(row) for row in rows]
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise ValueError(f"{file}, line {rows.line_num}, is no transaction of the ledger: {error!r}") from error


def histories(transactions: Sequence[Transaction]) -> Iterator[History]:
    """The accounts' streams, in the order of account numbers: one append each."""
    by_account: dict[str, list[Transaction]] = defaultdict(list)
    for transaction in transactions:
        by_account[transaction.account].append(transaction)
    for account in sorted(by_account, key=int):
        movements = sorted(by_account[account], key=lambda movement: (movement.date, movement.number))
        opening = _opening(account, movements[0].date)
        yield History(f"{CATEGORY}-{account}", [opening, *map(_movement, movements)])


def _transaction(row: dict[str, str]) -> Transaction:
    kind = row["type"]
    if kind != _DEPOSIT and kind not in _WITHDRAWALS:
        raise ValueError(f"type {kind!r}")
    return Transaction(
        account=row["account_id"],
        date=datetime.strptime(row["date"], "%y%m%d").replace(tzinfo=UTC),
        number=int(row["trans_id"]),
        is_deposit=kind == _DEPOSIT,
        amount=Decimal(row["amount"]),
        printed_balance=Decimal(row["balance"]),
    )


def _opening(account: str, date: datetime) -> lf.NewEvent:
    return lf.NewEvent(
        AccountOpened(owner=f"Client of account {account}"),
        id=uuid5(_IDS, f"account {account}"),
        occurred_at=date,
        metadata={"source": SOURCE},
    )


def _movement(transaction: Transaction) -> lf.NewEvent:
    made = MoneyDeposited if transaction.is_deposit else MoneyWithdrawn
    return lf.NewEvent(
        made(amount=transaction.amount),
        id=uuid5(_IDS, f"transaction {transaction.number}"),
        occurred_at=transaction.date,
        metadata={
            "source": SOURCE,
            "trans_id": transaction.number,
            "printed_balance": str(transaction.printed_balance),
        },
    )
