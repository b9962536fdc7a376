"""How the state of projections is shown: a line for each, and below what stands still, why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leftfold.follow.operate.status import COUNTED, ProcessorStatus
from leftfold.ops.command.display import plain_table, printable

_STYLES = {
    "current": "green",
    "inline": "green",
    "behind": "yellow",
    "building": "cyan",
    "former": "dim",
    "paused": "yellow",
    "failing": "red",
    "orphaned": "red",
    "refused": "red",
}


def status_table(found: Sequence[ProcessorStatus]) -> RenderableType:
    """The table, and the reasons."""
    if not found:
        return Text("no processor has ever run here")
    table = plain_table()
    table.add_column("processor", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("position", justify="right", no_wrap=True)
    table.add_column("lag", justify="right", no_wrap=True)
    table.add_column("waiting", justify="right", no_wrap=True)
    table.add_column("rate", justify="right", no_wrap=True)
    table.add_column("left", justify="right", no_wrap=True)
    table.add_column("worker", overflow="fold", style="dim")
    for one in found:
        _add_row(table, one)
    head = found[0].head
    return Group(table, Text(f"\nthe log's head is at position {head:,}", "dim"), *map(_reason, filter(_speaks, found)))


def status_json(found: Sequence[ProcessorStatus]) -> str:
    """The same for programs, one list of objects; times in seconds."""
    return msgspec.json.format(msgspec.json.encode([_plain(one) for one in found])).decode()


def _add_row(table: Table, one: ProcessorStatus) -> None:
    version = "" if one.version == 1 else f" v{one.version}"
    lag = "–" if not one.lag_events else f"{one.lag_events:,}{'+' if one.lag_events >= COUNTED else ''}"
    table.add_row(
        Text(f"{printable(one.name)}{version}"),
        Text(one.state, _STYLES[one.state]),
        f"{one.position:,}",
        lag,
        brief(one.lag) if one.lag_events else "–",
        f"{one.rate:,.0f}/s" if one.state in ("behind", "building") and one.rate else "–",
        brief(one.time_left) if one.time_left is not None else "–",
        Text("\n".join(printable(owner) for owner in one.owners) or "–"),
    )


def _speaks(one: ProcessorStatus) -> bool:
    return one.reason is not None or one.parked is not None


def _reason(one: ProcessorStatus) -> Text:
    text = Text(f"\n{printable(one.name)} ", "bold")
    text.append(f"{one.state}", _STYLES[one.state])
    if one.reason is not None:
        text.append(f": {printable(one.reason)}", "default")
    if one.remedy is not None:
        text.append(f"\n  {printable(one.remedy)}", "default")
    if one.parked is not None:
        events, keys = one.parked.events, one.parked.keys
        aside = f"{events:,} event{'s' * (events != 1)} of {keys:,} key{'s' * (keys != 1)}"
        text.append(f"\n  {aside} set aside since position {one.parked.first:,}: ", "yellow")
        text.append(f"leftfold parked TARGET {printable(one.name)} shows why", "default")
    return text


def brief(span: timedelta) -> str:
    """Two units at most: ``3 d 4 h``, ``12 s``, ``0.3 s``."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts, left = [], round(seconds)
    for unit, size in units:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def _plain(one: ProcessorStatus) -> dict[str, object]:
    return {
        "processor": one.name,
        "version": one.version,
        "role": one.role,
        "state": one.state,
        "healthy": one.is_healthy,
        "position": one.position,
        "head": one.head,
        "lag_events": one.lag_events,
        "lag_seconds": one.lag.total_seconds(),
        "rate": one.rate,
        "seconds_left": None if one.time_left is None else one.time_left.total_seconds(),
        "workers": one.owners,
        "parked_events": 0 if one.parked is None else one.parked.events,
        "reason": one.reason,
        "remedy": one.remedy,
    }
