"""How far a rebuild has come: a bar for people at a terminal, a line now and then for logs. Both go to stderr."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from leftfold.ops.command.display import printable
from leftfold.ops.command.status_table import brief
from leftfold.read.rebuild.progress import RebuildProgress

_LINE_SECONDS = 10.0


class Showing:
    """``with Showing() as showing: … showing.tell(progress)``."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[told]}", style="dim"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", told="")
        self._next_line = monotonic() + _LINE_SECONDS

    def tell(self, one: RebuildProgress) -> None:
        """Show it."""
        what, told = f"{one.phase} {printable(one.projection)}", words(one)
        self._bar.update(self._task, description=what, completed=one.done, total=one.total, told=told)
        if not self._console.is_terminal and monotonic() >= self._next_line:
            self._next_line = monotonic() + _LINE_SECONDS
            self._console.print(f"{what}: {told}", highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def words(one: RebuildProgress) -> str:
    """``412,000 of 1,056,320, 38,000/s, 17 s left``."""
    told = [f"{one.done:,} of {one.total:,}"]
    if one.phase == "building" and one.rate >= 1:
        told.append(f"{one.rate:,.0f}/s")
    if one.phase == "building" and one.seconds_left:
        told.append(f"{brief(timedelta(seconds=one.seconds_left))} left")
    return ", ".join(told)
