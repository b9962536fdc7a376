"""Imports a real bank's ledger, projects it and audits it: ``python -m examples.bank.ledger PATH --url URL``.

The whole run is written twice, once for each door: they differ in ``async`` and ``await``, and in nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Annotated, Protocol, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import leftfold as lf
from examples.bank.audit import Audit
from examples.bank.berka import CATEGORY, History, histories, read_transactions
from leftfold.ops.demo import AccountSummary, BankAccount, account_summary

Item = TypeVar("Item")

LEDGER = lf.Query.of(category=CATEGORY)
SAMPLE = 2_000


class Watch(Protocol):
    """Hands on items one by one, and may show how far it has come."""

    def __call__(self, items: Sequence[Item], title: str, /) -> Iterable[Item]: ...


def unwatched(items: Sequence[Item], title: str) -> Iterable[Item]:
    """Shows nothing."""
    return items


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did and found. ``new`` events were not there before; ``seconds`` is the import's time."""

    new: int
    seconds: float
    audit: Audit
    summaries: Mapping[str, AccountSummary]

    @property
    def summed(self) -> Decimal:
        """The sum of the ledger's balances, by the read model."""
        rows = (self.summaries.get(id) for id in self.audit.accounts)
        return sum((row.balance for row in rows if row is not None), Decimal(0))


def run(url: str, ledger: Sequence[History], watch: Watch = unwatched) -> Outcome:
    """Import, project, replay and ask again, through the sync door."""
    with lf.connect(url) as store:
        started, new = perf_counter(), 0
        for history in watch(ledger, "Importing accounts"):
            result = store.append(history.stream, history.events, expected=lf.NO_STREAM)
            new += 0 if result.duplicate else len(history.events)
        seconds = perf_counter() - started
        store.projector([account_summary]).catch_up()
        audit = Audit()
        for recorded in store.read_all(LEDGER):
            audit.replay(recorded)
        accounts = store.repository(BankAccount)
        for day in watch(audit.sample(SAMPLE), "Asking about earlier days"):
            audit.compare(day, accounts.get(day.account, at=day.end))
        summaries = {row.account_id: row for row in store.view(AccountSummary).find()}
    audit.compare_summaries(summaries)
    return Outcome(new, seconds, audit, summaries)


async def run_async(url: str, ledger: Sequence[History], watch: Watch = unwatched) -> Outcome:
    """The same through the async door."""
    async with lf.connect_async(url) as store:
        started, new = perf_counter(), 0
        for history in watch(ledger, "Importing accounts"):
            result = await store.append(history.stream, history.events, expected=lf.NO_STREAM)
            new += 0 if result.duplicate else len(history.events)
        seconds = perf_counter() - started
        await store.projector([account_summary]).catch_up()
        audit = Audit()
        async for recorded in store.read_all(LEDGER):
            audit.replay(recorded)
        accounts = store.repository(BankAccount)
        for day in watch(audit.sample(SAMPLE), "Asking about earlier days"):
            audit.compare(day, await accounts.get(day.account, at=day.end))
        summaries = {row.account_id: row for row in await store.view(AccountSummary).find()}
    audit.compare_summaries(summaries)
    return Outcome(new, seconds, audit, summaries)


def report(outcome: Outcome, console: Console) -> None:
    """Print the figures, and whatever differs."""
    audit = outcome.audit
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(justify="left")
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    table.add_row("transactions", f"{audit.transactions:,}")
    table.add_row("accounts", f"{len(audit.accounts):,}")
    table.add_row("events", f"{audit.events:,}", f"{outcome.new:,} new, in {outcome.seconds:.1f} s")
    days = f"of {len(audit.days):,}, with a printed balance"
    table.add_row("account-days that agree", f"{audit.agreeing:,}", days)
    asked = min(SAMPLE, len(audit.days))
    table.add_row("asked again by get(at=…)", f"{asked:,}", "equal to the replay" if not audit.differences else "")
    table.add_row("sum of balances", f"{audit.balance:,.2f}", f"the read model: {outcome.summed:,.2f}")
    console.print(table)
    for difference in audit.differences[:20]:
        console.print(f"[red]differs:[/] {escape(difference)}", highlight=False)


def main(
    path: Annotated[Path, typer.Argument(envvar="LEFTFOLD_BERKA", help="trans.asc, or the folder that holds it.")],
    url: Annotated[str, typer.Option(help="Where to: sqlite:///ledger.db or postgresql://user@host/database.")],
    through_async: Annotated[bool, typer.Option("--async", help="Go through the async door.")] = False,
) -> None:
    """Import the ledger as events, project the account summaries, and audit both from the store alone."""
    console = Console()
    try:
        transactions = read_transactions(path)
        ledger = list(histories(transactions))
        with _progress(console) as progress:
            outcome = (
                asyncio.run(run_async(url, ledger, _watching(progress)))
                if through_async
                else run(url, ledger, _watching(progress))
            )
    except OSError as error:
        raise _failed(f"{error.filename} cannot be read: {error.strerror}") from None
    except (lf.LeftfoldError, ValueError) as error:
        raise _failed(str(error)) from None
    if (found := outcome.audit.transactions) != len(transactions):
        outcome.audit.differences.append(f"the file has {len(transactions):,} transactions, the store {found:,}")
    report(outcome, console)
    if outcome.audit.differences:
        raise typer.Exit(1)


def _failed(why: str) -> typer.Exit:
    print(f"error: {why}", file=sys.stderr)
    return typer.Exit(1)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _watching(progress: Progress) -> Watch:
    def watch(items: Sequence[Item], title: str, /) -> Iterator[Item]:
        task = progress.add_task(title, total=len(items))
        for item in items:
            yield item
            progress.advance(task)

    return watch


if __name__ == "__main__":
    typer.run(main)
