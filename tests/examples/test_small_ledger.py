"""A ledger of the project's own, on both back ends and through both doors: its figures, now and on earlier days."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

import leftfold as lf
from examples.bank.berka import History, histories, read_transactions
from examples.bank.ledger import Outcome, run, run_async
from leftfold.ops.demo import AccountSummary, account_summary
from tests.examples.small_ledger import ACCOUNTS, MISPRINTED, TRANSACTIONS, Figures, decimal, write_ledger


@pytest.fixture
def figures(tmp_path: Path) -> Figures:
    """Those of the ledger in ``tmp_path``."""
    return write_ledger(tmp_path)


def imported(url: str, ledger: Sequence[History], door: str) -> Outcome:
    return run(url, ledger) if door == "sync" else asyncio.run(run_async(url, ledger))


def check_figures(outcome: Outcome, figures: Figures) -> None:
    audit = outcome.audit
    assert audit.differences == []
    assert (audit.transactions, audit.events, len(audit.accounts)) == (TRANSACTIONS, figures.events, ACCOUNTS)
    assert {(int(day.account), day.day): end.balance for day, end in audit.days.items()} == {
        key: Decimal(decimal(cents)) for key, cents in figures.day_ends.items()
    }
    assert audit.agreeing == len(audit.days) - MISPRINTED
    assert audit.balance == outcome.summed == Decimal(decimal(sum(figures.balances().values())))


@pytest.mark.parametrize("door", ["sync", "async"])
def test_an_import_that_was_interrupted_is_completed_and_a_third_changes_nothing(
    store_url: str, tmp_path: Path, figures: Figures, door: str
) -> None:
    ledger = list(histories(read_transactions(tmp_path)))
    partly = imported(store_url, ledger[:10], door)
    assert partly.new == sum(len(history.events) for history in ledger[:10])
    whole = imported(store_url, ledger, door)
    check_figures(whole, figures)
    assert whole.new == figures.events - partly.new
    with lf.connect(store_url) as store:
        head = store.head()
    again = imported(store_url, ledger, door)
    check_figures(again, figures)
    assert again.new == 0
    with lf.connect(store_url) as store:
        assert store.head() == head


def test_the_read_model_as_of_earlier_days_is_what_plain_arithmetic_gives(
    store_url: str, tmp_path: Path, figures: Figures
) -> None:
    with lf.connect(store_url) as store:
        for history in histories(read_transactions(tmp_path)):
            store.append(history.stream, history.events, expected=lf.NO_STREAM)
        opened = []
        for day in (date(1993, month, 28) for month in (1, 3, 5, 7, 9)):
            at = datetime.combine(day, time.max, UTC)
            past = store.view(AccountSummary).as_of(at=at, projection=account_summary)
            moved = figures.movements(day)
            assert {int(row.account_id): (row.balance, row.tx_count, row.last_tx_at) for row in past.find()} == {
                account: (
                    Decimal(decimal(cents)),
                    len(moved[account]),
                    datetime.combine(max(moved[account]), time.min, UTC),
                )
                for account, cents in figures.balances(day).items()
            }
            opened.append(past.count())
        assert opened == sorted(set(opened)), "accounts were opened between them"


@pytest.mark.parametrize(
    ("url", "door"), [("sqlite_url", []), ("postgres_url", ["--async"])], ids=["sqlite", "postgresql"]
)
def test_the_command_prints_the_figures(
    request: pytest.FixtureRequest, url: str, door: list[str], tmp_path: Path, figures: Figures
) -> None:
    command = [sys.executable, "-m", "examples.bank.ledger", str(tmp_path), "--url", request.getfixturevalue(url)]
    done = subprocess.run([*command, *door], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    printed = re.sub(r" +", " ", done.stdout)
    days, total = len(figures.day_ends), Decimal(decimal(sum(figures.balances().values())))
    for line in (
        f"transactions {TRANSACTIONS:,}",
        f"accounts {ACCOUNTS}",
        f"events {figures.events:,} {figures.events:,} new",
        f"account-days that agree {days - MISPRINTED} of {days}",
        f"asked again by get(at=…) {days} equal to the replay",
        f"sum of balances {total:,.2f} the read model: {total:,.2f}",
    ):
        assert line in printed
