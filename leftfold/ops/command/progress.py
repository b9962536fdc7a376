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


class ProgressDisplay:
    """``with ProgressDisplay() as display: … display.show(progress)``."""

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

    def show(self, progress: RebuildProgress) -> None:
        """Show how far it is now."""
        what, told = f"{progress.phase} {printable(progress.projection)}", describe(progress)
        self._bar.update(self._task, description=what, completed=progress.done, total=progress.total, told=told)
        if not self._console.is_terminal and monotonic() >= self._next_line:
            self._next_line = monotonic() + _LINE_SECONDS
            self._console.print(f"{what}: {told}", highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def describe(progress: RebuildProgress) -> str:
    """``412,000 of 1,056,320, 38,000/s, 17 s left``."""
    told = [f"{progress.done:,} of {progress.total:,}"]
    if progress.phase == "building" and progress.rate >= 1:
        told.append(f"{progress.rate:,.0f}/s")
    if progress.phase == "building" and progress.seconds_left:
        told.append(f"{brief(timedelta(seconds=progress.seconds_left))} left")
    return ", ".join(told)
