"""The screen of the demo: numbered sections, short explanations, the code that runs, and its results."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

import leftfold as lf
from leftfold.ops.demo.summary import AccountSummary

_WIDEST = 110


class Screen:
    """A console, and the number of its current section."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, _WIDEST)
        self._section = 0

    def title(self, text: str, where: str) -> None:
        self._print(Text.assemble((text, "bold"), "  ", (where, "dim")))

    def section(self, title: str, explanation: str) -> None:
        self._section += 1
        self._head(f"{self._section}. {title}")
        self._print(Text(explanation))

    def end(self, title: str, *lines: str) -> None:
        self._head(title)
        for line in lines:
            self._print(Text(line))

    def code(self, *lines: str) -> None:
        self._print("")
        for line in lines:
            self._print(Padding(Text(line, "green"), (0, 0, 0, 4), expand=False))

    def result(self, text: str) -> None:
        self._print(Padding(Text.assemble(("→ ", "bold"), text), (0, 0, 0, 4), expand=False))

    def refusal(self, error: Exception) -> None:
        """Show an error that the act provokes."""
        self._print(
            Padding(Text.assemble((f"{type(error).__name__}: ", "bold red"), str(error)), (0, 0, 0, 4), expand=False)
        )

    def events(self, events: Iterable[lf.RecordedEvent]) -> None:
        table = _table()
        table.add_column("pos", justify="right", style="dim", no_wrap=True)
        table.add_column("stream", overflow="fold")
        table.add_column("ver", justify="right", no_wrap=True)
        table.add_column("type", style="cyan", no_wrap=True)
        table.add_column("data", style="green", no_wrap=True)
        table.add_column("occurred", no_wrap=True)
        for recorded in events:
            table.add_row(
                str(recorded.position),
                Text(recorded.stream),
                str(recorded.version),
                Text(recorded.type),
                Text(recorded.data.decode()),
                f"{recorded.occurred_at:%Y-%m-%d}",
            )
        self._table(table)

    def summaries(self, rows: Iterable[AccountSummary]) -> None:
        table = _table()
        table.add_column("account_id", overflow="fold")
        table.add_column("owner")
        table.add_column("balance", justify="right", style="bold")
        table.add_column("status")
        table.add_column("tx_count", justify="right")
        table.add_column("last_tx_at", no_wrap=True)
        for row in rows:
            last = f"{row.last_tx_at:%Y-%m-%d}" if row.last_tx_at else ""
            table.add_row(row.account_id, row.owner, amount(row.balance), row.status, f"{row.tx_count:,}", last)
        self._table(table)

    def _head(self, title: str) -> None:
        self._print("")
        self._print(Rule(Text(title, "bold cyan"), align="left", style="cyan dim"))

    def _table(self, table: Table) -> None:
        self._print("")
        self._print(table)

    def _print(self, what: object) -> None:
        self._console.print(what, width=self._width, highlight=False)


def amount(value: Decimal) -> str:
    """``1,234.50``"""
    return f"{value:,.2f}"


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
