"""The table: medians, ratios and what was asked, for a terminal and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from benchmarks.cases import Case, Growth, Limit, Measurement, Side, Target, Unit

COLUMNS = ("", "leftfold", "eventsourcing", "× peer", "raw database", "× raw", "asked for")
BACK_ENDS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
NONE = "–"
MARK = "*"


@dataclass(frozen=True)
class Line:
    """A case with its figures; None where a side has none."""

    case: Case
    ours: float
    peer: float | None
    raw: float | None
    itself: float | None = None

    def ratio(self, side: Side | Literal["itself"]) -> float | None:
        """How many times as good as that side leftfold is; for a duration, less is good."""
        others: dict[str, float | None] = {"peer": self.peer, "raw": self.raw, "itself": self.itself}
        other = others[side]
        if other is None:
            return None
        return other / self.ours if self.case.unit == "s" else self.ours / other

    @property
    def met(self) -> bool | None:
        """Whether every target that was measured is met; None if none was."""
        found = [met for met in map(self.meets, self.case.targets) if met is not None]
        return all(found) if found else None

    def meets(self, target: Target | Limit | Growth) -> bool | None:
        """Whether it is met; None if the side that it is about was left out."""
        if isinstance(target, Limit):
            return self.ours <= target.seconds
        if isinstance(target, Growth):
            return None if self.itself is None else self.ours <= target.times * self.itself
        ratio = self.ratio(target.side)
        return None if ratio is None else ratio >= target.ratio

    def cells(self) -> tuple[str, ...]:
        """What stands in the table's columns."""
        unit, marked = self.case.unit, self.case.notes
        return (
            self.case.name,
            _figure(self.ours, unit),
            _figure(self.peer, unit) + (MARK if "peer" in marked else ""),
            _times(self.ratio("peer")),
            _figure(self.raw, unit) + (MARK if "raw" in marked else ""),
            _times(self.ratio("raw")),
            self._target(),
        )

    def _target(self) -> str:
        verdicts = {True: "met", False: "MISSED", None: "not measured"}
        return "; ".join(f"{self._told(target)}: {verdicts[self.meets(target)]}" for target in self.case.targets)

    def _told(self, target: Target | Limit | Growth) -> str:
        if isinstance(target, Limit):
            return f"≤ {_figure(target.seconds, 's')}"
        if isinstance(target, Growth):
            other = _figure(self.itself, self.case.unit)
            grown = NONE if self.itself is None else f"{self.ours / self.itself:.2f}"
            return f"≤ {target.times:g} × its {other} at {target.at} (is {grown})"
        if target.side != "itself":
            return f"≥ {target.ratio:g} × {target.side}"
        return (
            f"≥ {target.ratio:g} × its own {_figure(self.itself, self.case.unit)} (is {_times(self.ratio('itself'))})"
        )


def lines(rows: Sequence[Case], figures: Mapping[Measurement, float]) -> list[Line]:
    """The cases that were measured, with their figures."""

    def of(measurement: Measurement | None) -> float | None:
        return None if measurement is None else figures.get(measurement)

    return [Line(row, figures[row.ours], of(row.peer), of(row.raw), of(row.itself)) for row in rows]


def footnotes(found: Sequence[Line]) -> list[str]:
    """What the marks in the table mean."""
    return [f"{MARK} {note}" for note in dict.fromkeys(note for line in found for note in line.case.notes.values())]


def terminal(found: Sequence[Line]) -> Table:
    """For a terminal."""
    table = Table(title="leftfold, a peer and the raw database")
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number in (0, len(COLUMNS) - 1) else "right", no_wrap=True)
    for back_end, name in BACK_ENDS.items():
        of_it = [line for line in found if line.case.back_end == back_end]
        if of_it:
            table.add_section()
            table.add_row(f"[bold]{name}[/bold]")
        for line in of_it:
            style = {True: "green", False: "red", None: ""}[line.met]
            *cells, target = line.cells()
            table.add_row(*cells, f"[{style}]{target}[/{style}]" if style else target)
    return table


def markdown(found: Sequence[Line]) -> str:
    """For docs/benchmarks.md."""
    out = [_row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 2), "---"])]
    for back_end, name in BACK_ENDS.items():
        of_it = [line for line in found if line.case.back_end == back_end]
        out += [_row([f"**{name}**", *[""] * (len(COLUMNS) - 1)])] if of_it else []
        out += [_row([cell.replace(MARK, f"\\{MARK}") for cell in line.cells()]) for line in of_it]
    return "\n".join(out)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, unit: Unit) -> str:
    if value is None:
        return NONE
    if unit == "s":
        return f"{value * 1000:,.{2 if value < 0.01 else 1}f} ms"
    return f"{value:,.0f}/s"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return NONE
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
