"""The real ledger: its summaries are rebuilt by new code while it is being imported, and come out as a fresh build."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import leftfold as lf
from leftfold.ops.demo import AccountSummary, account_summary
from tests.examples.ledger_data import ledger_folder
from tests.examples.test_ledger import EVENTS


@lf.projection(
    AccountSummary, category="BankAccount", on=account_summary.on, version=account_summary.version + 1,
    name="account_summary",
)  # fmt: skip
def in_heller(row: AccountSummary | None, recorded: lf.RecordedEvent) -> Any:
    """The same accounts, counted in hundredths."""
    before = None if row is None else row.replace(balance=row.balance / 100)
    after = account_summary.function(before, recorded)
    return after.replace(balance=after.balance * 100) if isinstance(after, AccountSummary) else after


def work(url: str, projection: Any, stop: threading.Event) -> None:
    """A worker in a thread, until told to stop."""
    with lf.connect(url) as store:
        projector = store.projector([projection])
        thread = threading.Thread(target=projector.run)
        thread.start()
        stop.wait()
        projector.stop()
        thread.join(30)


@pytest.mark.exhaustive
def test_a_rebuild_during_the_import_ends_with_the_rows_of_a_fresh_build(store_url: str) -> None:
    stop = threading.Event()
    with lf.connect(store_url) as store:
        store.projector([account_summary]).catch_up()
        workers = [threading.Thread(target=work, args=(store_url, one, stop)) for one in (account_summary, in_heller)]
        importing = subprocess.Popen(only_import(store_url), cwd=Path(__file__).parents[2])
        try:
            for one in workers:
                one.start()
            deadline = time.monotonic() + 120
            while store.head() < EVENTS // 5:
                assert importing.poll() is None, "the import ended before it was rebuilt"
                assert time.monotonic() < deadline, "the import is too slow"
            done = store.projector([in_heller]).rebuild("account_summary", parts=2)
            assert done.swapped
            assert importing.wait(300) == 0
            assert done.position < store.head(), "it was still running"
            store.view(AccountSummary).wait_for(store.head(), timeout=120)
        finally:
            importing.kill()
            stop.set()
            for one in workers:
                one.join(60)
        live = store.view(AccountSummary).find()
        former = store.projector([account_summary])
        former.rollback("account_summary")
        former.catch_up()
        before = store.view(AccountSummary).find()
        former.rollback("account_summary")
        store.projector([in_heller]).reset("account_summary")
        store.projector([in_heller]).catch_up()
        assert live == store.view(AccountSummary).find(), "as a fresh build"
        assert len(live) > 1_000
        assert [row.replace(balance=row.balance * 100) for row in before] == live, "and the former ones went on exactly"
        assert sum(row.balance for row in before) == Decimal("36575946.10")


def only_import(url: str) -> list[str]:
    """The import alone, which projects nothing."""
    code = (
        "import sys, leftfold as lf\nfrom examples.bank.berka import histories, read_transactions\n"
        "from pathlib import Path\n"
        "with lf.connect(sys.argv[2]) as store:\n"
        "    for history in histories(read_transactions(Path(sys.argv[1]))):\n"
        "        store.append(history.stream, history.events, expected=lf.NO_STREAM)\n"
    )
    return [sys.executable, "-c", code, str(ledger_folder()), url]
