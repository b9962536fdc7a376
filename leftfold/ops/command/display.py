"""How inspections are shown: tables that fit the terminal, and text from a store that cannot disturb it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

import msgspec
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from leftfold.events import RecordedEvent
from leftfold.ops.doctor.finding import Finding
from leftfold.ops.inspect.streams import Stream

DATA_CHARACTERS = 300
_WIDEST_TYPE = 24
_highlight = JSONHighlighter()
_MARKS = {"fine": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red")}


def printable(text: str) -> str:
    """The text with whatever a terminal could take for a command written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def when(moment: datetime) -> str:
    """``2026-01-16 09:30:00`` in UTC, with its fraction only if it has one."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{moment:%f}"[:4] if moment.microsecond else "")


def data_of(recorded: RecordedEvent, characters: int | None = DATA_CHARACTERS, *, between: str = "  ") -> Text:
    """An event's JSON, cut at some length, with its tags and metadata behind it."""
    text = _highlight(Text(_cut(recorded.data, characters)))
    for name, value in (("tags", list(recorded.tags)), ("metadata", dict(recorded.metadata))):
        if value:
            text.append(f"{between}{name} {_cut(msgspec.json.encode(value), characters)}", "dim")
    return text


def _cut(json: bytes, characters: int | None) -> str:
    said = printable(json.decode())
    return said if characters is None or len(said) <= characters else f"{said[:characters]}… ({len(json):,} bytes)"


def show_streams(console: Console, streams: Sequence[Stream]) -> None:
    """One line for each stream."""
    table = plain_table()
    table.add_column("stream", overflow="fold", ratio=3)
    table.add_column("events", justify="right", no_wrap=True)
    table.add_column("last event", overflow="fold", style="cyan", ratio=2)
    table.add_column("occurred (UTC)", no_wrap=True)
    for stream in streams:
        name, kind = Text(printable(stream.name)), Text(printable(stream.last_type))
        table.add_row(name, f"{stream.version:,}", kind, when(stream.occurred_at))
    console.print(table)


def show_events(console: Console, events: Sequence[RecordedEvent], *, full: bool) -> None:
    """A stream's events, one after the other. Where none has a time of day, none is shown."""
    days = all(event.occurred_at.time() == time.min for event in events)
    longest = max((len(event.type) for event in events), default=0)
    table = plain_table()
    table.add_column("version", justify="right", no_wrap=True)
    table.add_column("position", justify="right", style="dim", no_wrap=True)
    table.add_column("type", overflow="fold", style="cyan", min_width=min(longest, _WIDEST_TYPE))
    table.add_column("occurred (UTC)", no_wrap=True)
    table.add_column("data", overflow="fold")
    for event in events:
        kind = Text(printable(event.type) + (f" v{event.schema_version}" if event.schema_version > 1 else ""))
        data = data_of(event, None if full else DATA_CHARACTERS, between="\n")
        occurred = f"{event.occurred_at:%Y-%m-%d}" if days else when(event.occurred_at)
        table.add_row(f"{event.version:,}", str(event.position), kind, occurred, data)
    console.print(table)


def show_line(console: Console, recorded: RecordedEvent) -> None:
    """An event on one line: cut at the terminal's width, whole in a pipe (up to the length of `data_of`)."""
    line = Text.assemble(
        (f"{recorded.position:>8}", "dim"),
        f"  {when(recorded.occurred_at)}  {printable(recorded.stream)}@{recorded.version}  ",
        (printable(recorded.type), "cyan"),
        "  ",
        data_of(recorded),
    )
    if console.is_terminal:
        line.truncate(console.width, overflow="ellipsis")
    console.print(line, soft_wrap=True)


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """What the doctor found, each with its remedy."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.level]
        text = Text(finding.text)
        if finding.remedy:
            text.append(f"\n{finding.remedy}", style)
        table.add_row(Text(mark, style), finding.subject, text)
    console.print(table)


def plain_table() -> Table:
    """Columns without lines around them."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
