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
    for status in found:
        _add_row(table, status)
    head = found[0].head
    return Group(table, Text(f"\nthe log's head is at position {head:,}", "dim"), *map(_reason, filter(_speaks, found)))


def status_json(found: Sequence[ProcessorStatus]) -> str:
    """The same for programs, one list of objects; times in seconds."""
    return msgspec.json.format(msgspec.json.encode([_plain(status) for status in found])).decode()


def _add_row(table: Table, status: ProcessorStatus) -> None:
    version = "" if status.version == 1 else f" v{status.version}"
    lag = "–" if not status.lag_events else f"{status.lag_events:,}{'+' if status.lag_events >= COUNTED else ''}"
    table.add_row(
        Text(f"{printable(status.name)}{version}"),
        Text(status.state, _STYLES[status.state]),
        f"{status.position:,}",
        lag,
        brief(status.lag) if status.lag_events else "–",
        f"{status.rate:,.0f}/s" if status.state in ("behind", "building") and status.rate else "–",
        brief(status.time_left) if status.time_left is not None else "–",
        Text("\n".join(printable(owner) for owner in status.owners) or "–"),
    )


def _speaks(status: ProcessorStatus) -> bool:
    return status.reason is not None or status.parked is not None


def _reason(status: ProcessorStatus) -> Text:
    text = Text(f"\n{printable(status.name)} ", "bold")
    text.append(f"{status.state}", _STYLES[status.state])
    if status.reason is not None:
        text.append(f": {printable(status.reason)}", "default")
    if status.remedy is not None:
        text.append(f"\n  {printable(status.remedy)}", "default")
    if status.parked is not None:
        events, keys = status.parked.events, status.parked.keys
        parked = f"{events:,} event{'s' * (events != 1)} of {keys:,} key{'s' * (keys != 1)}"
        text.append(f"\n  {parked} parked since position {status.parked.first:,}: ", "yellow")
        text.append(f"leftfold parked TARGET {printable(status.name)} shows why", "default")
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


def _plain(status: ProcessorStatus) -> dict[str, object]:
    return {
        "processor": status.name,
        "version": status.version,
        "role": status.role,
        "state": status.state,
        "healthy": status.is_healthy,
        "position": status.position,
        "head": status.head,
        "lag_events": status.lag_events,
        "lag_seconds": status.lag.total_seconds(),
        "rate": status.rate,
        "seconds_left": None if status.time_left is None else status.time_left.total_seconds(),
        "workers": status.owners,
        "parked_events": 0 if status.parked is None else status.parked.events,
        "reason": status.reason,
        "remedy": status.remedy,
    }
