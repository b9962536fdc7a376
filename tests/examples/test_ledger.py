"""The real ledger on both back ends, through both doors: the figures, again and again, and after being killed."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

import leftfold as lf
from examples.bank.audit import Audit
from examples.bank.berka import Transaction, histories, read_transactions
from examples.bank.ledger import Outcome, run, run_async
from leftfold.ops.demo import AccountOpened, AccountSummary, MoneyDeposited, account_summary
from tests.examples.ledger_data import ledger_folder

EVENTS = 29_344
HEADER = '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"\n'


def through_sync(url: str) -> Outcome:
    return run(url, list(histories(read_transactions(ledger_folder()))))


def through_async(url: str) -> Outcome:
    return asyncio.run(run_async(url, list(histories(read_transactions(ledger_folder())))))


def check_figures(outcome: Outcome) -> None:
    audit = outcome.audit
    assert audit.differences == []
    assert (audit.transactions, audit.events, len(audit.accounts)) == (28_205, EVENTS, 1_139)
    assert (audit.agreeing, len(audit.days)) == (23_436, 23_440)
    assert audit.balance == outcome.summed == Decimal("36575946.10")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("url", "imports"), [("sqlite_url", through_sync), ("postgres_url", through_async)], ids=["sqlite", "postgresql"]
)
def test_the_ledger_gives_the_banks_own_figures_twice_in_a_row(
    request: pytest.FixtureRequest, url: str, imports: Callable[[str], Outcome]
) -> None:
    store_url: str = request.getfixturevalue(url)
    first = imports(store_url)
    check_figures(first)
    assert first.new == EVENTS
    with lf.connect(store_url) as store:
        head = store.head()
    second = imports(store_url)
    check_figures(second)
    assert second.new == 0
    with lf.connect(store_url) as store:
        assert store.head() == head


def summaries_by_the_file(transactions: Sequence[Transaction], at: datetime) -> dict[str, AccountSummary]:
    """What the ledger's own lines make of every account that had been opened by then, without any event."""
    rows: dict[str, AccountSummary] = {}
    for one in transactions:
        if one.date <= at:
            row = rows.get(one.account) or AccountSummary(one.account, f"Client of account {one.account}")
            rows[one.account] = AccountSummary(
                account_id=one.account,
                owner=row.owner,
                balance=row.balance + (one.amount if one.is_deposit else -one.amount),
                tx_count=row.tx_count + 1,
                last_tx_at=max(row.last_tx_at or one.date, one.date),
            )
    return rows


@pytest.mark.exhaustive
def test_the_read_model_as_of_ten_dates_is_what_the_ledgers_lines_make(store_url: str) -> None:
    transactions = read_transactions(ledger_folder())
    days = sorted({one.date for one in transactions})
    asked = [datetime.combine(day, time.max, UTC) for day in (*days[:: len(days) // 9], days[-1])][-10:]
    with lf.connect(store_url) as store:
        store.append_all([lf.Write(one.stream, one.events, lf.NO_STREAM) for one in histories(transactions)])
        as_of = partial(store.view(AccountSummary).as_of, projection=account_summary)
        pasts = {at: as_of(at=at) for at in asked}
        for at, past in pasts.items():
            assert {row.account_id: row for row in past.find()} == summaries_by_the_file(transactions, at)
        assert len({past.count() for past in pasts.values()}) == len(asked) == 10, "accounts were opened between them"
        assert pasts[asked[-1]].count() == 1_139

        known = next(store.read_all(backwards=True, limit=1)).recorded_at
        late = lf.NewEvent(MoneyDeposited(amount=Decimal(100)), occurred_at=asked[4] - timedelta(days=1))
        account = pasts[asked[0]].find(limit=1)[0].account_id
        store.append(f"BankAccount-{account}", [late])
        corrected = {at: [one.key for one in pasts[at].differences(as_of(at=at))] for at in asked[3:5]}
        assert list(corrected.values()) == [[], [account]]
        assert pasts[asked[4]].compare(as_of(at=asked[4], known_at=known)).count == 0, "not known yet"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("url", "door"), [("sqlite_url", ["--async"]), ("postgres_url", [])], ids=["sqlite", "postgresql"]
)
def test_an_import_killed_midway_is_completed_by_running_the_command_again(
    request: pytest.FixtureRequest, url: str, door: list[str]
) -> None:
    """Through the other door than in the test of two runs; and what it prints are the figures."""
    store_url: str = request.getfixturevalue(url)
    importing_again = [*command(ledger_folder(), store_url), *door]
    with lf.connect(store_url) as store:
        importing = subprocess.Popen(command(ledger_folder(), store_url), stdout=subprocess.DEVNULL)
        deadline = monotonic() + 60
        while not store.head():
            assert importing.poll() is None, "the import ended before it appended anything"
            assert monotonic() < deadline, "the import did not begin within 60 seconds"
        importing.kill()
        assert importing.wait() == -signal.SIGKILL
        stored = sum(1 for _ in store.read_all())
        store.projector([account_summary]).catch_up()
    assert 0 < stored < EVENTS
    done = subprocess.run(importing_again, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    printed = re.sub(r" +", " ", done.stdout)
    for line in (
        "transactions 28,205",
        "accounts 1,139",
        f"events 29,344 {EVENTS - stored:,} new",
        "account-days that agree 23,436 of 23,440",
        "asked again by get(at=…) 2,000 equal to the replay",
        "sum of balances 36,575,946.10 the read model: 36,575,946.10",
    ):
        assert line in printed


def test_the_command_says_what_differs_and_fails(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "trans.asc").write_text(
        HEADER + '1;7;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;\n2;7;930102;"VYBER";"VYBER";900.00;-200.00;"";;\n'
    )
    assert subprocess.run(command(tmp_path, sqlite_url), capture_output=True).returncode == 0
    with lf.connect(sqlite_url) as store:
        stray = {"source": "berka", "printed_balance": "-199.00"}
        store.append("BankAccount-7", [lf.NewEvent(MoneyDeposited(amount=Decimal(1)), metadata=stray)])
    done = subprocess.run(command(tmp_path, sqlite_url), capture_output=True, text=True)
    assert done.returncode == 1
    assert "differs: the file has 2 transactions, the store 3" in done.stdout


def test_the_audit_notices_what_another_way_of_reading_gives(sqlite_url: str) -> None:
    audit = Audit()
    with lf.connect(sqlite_url) as store:
        source = {"source": "berka"}
        store.append("BankAccount-7", [AccountOpened(owner="Ann")], metadata=source)
        store.append(
            "BankAccount-7", [MoneyDeposited(amount=Decimal(5))], metadata={**source, "printed_balance": "5.00"}
        )
        for recorded in store.read_all():
            audit.replay(recorded)
    [day] = audit.sample(10)
    audit.compare(day, audit.accounts["7"])
    assert audit.differences == []
    past = type(audit.accounts["7"])(balance=Decimal(4))
    audit.compare(day, past)
    audit.compare_summaries({})
    assert [text.partition(":")[2] for text in audit.differences] == [
        " replay 5, get(at=…) 4",
        " replay 5, read model None",
    ]


@pytest.mark.parametrize("text", ["no ledger at all\nnor here\n", HEADER + '1;7;930101;"?";"";1.00;1.00;"";;\n'])
def test_a_file_that_is_no_ledger_is_refused_in_one_line(sqlite_url: str, tmp_path: Path, text: str) -> None:
    (tmp_path / "trans.asc").write_text(text)
    done = subprocess.run(command(tmp_path, sqlite_url), capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*trans\.asc, line \d, is no transaction of the ledger: .*\n", done.stderr)


def test_a_missing_file_is_one_line_too(sqlite_url: str, tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path / "nowhere", sqlite_url), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/nowhere cannot be read: No such file or directory\n"


def command(path: Path, url: str) -> list[str]:
    return [sys.executable, "-m", "examples.bank.ledger", str(path), "--url", url]
