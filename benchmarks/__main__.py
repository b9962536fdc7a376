"""``python -m benchmarks``: measures leftfold, the peer and the raw database in one run, and prints the table."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.cases import QUICK, Case, Measurement, Side, Size, cases
from benchmarks.environment import peer_python
from benchmarks.places import Places
from benchmarks.raw import Raw
from benchmarks.run import Run, SideProcess
from benchmarks.slow_disk import added_milliseconds, flush_milliseconds, run_on_slow_disk
from benchmarks.table import MARK, Line, footnotes, lines, markdown, terminal
from benchmarks.worker import Worker

NAMES: dict[Side, str] = {"ours": "leftfold", "peer": "eventsourcing", "raw": "raw database"}


def main() -> None:
    """Measure and print; the exit code is 0 whether or not the targets are met."""
    options = _options()
    size = QUICK if options.quick else Size(rounds=options.rounds, seconds=options.seconds)
    rows = [row for row in cases(size) if options.only in _title(row)]
    if not rows:
        sys.exit(f"no case has {options.only!r} in it; there are:\n" + "\n".join(map(_title, cases(size))))
    if options.flush_ms != added_milliseconds():
        sys.exit(run_on_slow_disk(options.flush_ms))
    started = time.monotonic()
    with ExitStack() as stack:
        places = stack.enter_context(Places())
        ours = stack.enter_context(Worker(Path(sys.executable), "benchmarks.ours"))
        sides: dict[Side, SideProcess] = {"ours": ours, "raw": Raw(places.server.bin / "pgbench")}
        if not options.no_peer:
            interpreter = peer_python(same_driver=options.same_driver)
            sides["peer"] = stack.enter_context(Worker(interpreter, "benchmarks.peer.worker"))
        found = _measure(Run(places, sides, size), rows, size)
        circumstances = _circumstances(places, sides, size)
    circumstances.append(f"The run took {time.monotonic() - started:.0f} seconds.")
    _print(found, circumstances, as_markdown=options.markdown)


def _title(case: Case) -> str:
    return f"{case.back_end}: {case.name}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown, for docs/benchmarks.md")
    parser.add_argument("--rounds", type=int, default=Size.rounds, help="how often each figure is measured")
    parser.add_argument("--seconds", type=float, default=Size.seconds, help="for how long each rate is measured")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases with this in 'back end: name'")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out; nothing is installed")
    same = "give the peer our PostgreSQL driver, in C, in place of the Python driver that its own extra installs"
    parser.add_argument("--same-driver", action="store_true", help=same)
    slow = "let every flush take so many milliseconds more, as on a slower disk (needs Linux and a C compiler)"
    parser.add_argument("--flush-ms", type=float, default=0.0, metavar="MS", help=slow)
    parser.add_argument("--quick", action="store_true", help="hardly anything of each: does it run at all?")
    options = parser.parse_args()
    if not 0 <= options.flush_ms <= 10_000:
        parser.error(f"--flush-ms is a number of milliseconds from 0 to 10,000, not {options.flush_ms:g}")
    return options


def _measure(run: Run, rows: list[Case], size: Size) -> list[Line]:
    columns = (TextColumn("{task.description:70}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=size.rounds * len(run.plan(rows)))

        def advanced(measurement: Measurement) -> None:
            what = f"{measurement.back_end}: {measurement.measure} {dict(measurement.arguments).get('callers', '')}"
            progress.update(task, advance=1, description=f"{what} by {NAMES[measurement.side]}")

        return lines(rows, run.measure(rows, advanced))


def _circumstances(places: Places, sides: dict[Side, SideProcess], size: Size) -> list[str]:
    settings = ", ".join(f"{name} {places.ask(f'SHOW {name}')}" for name in ("fsync", "synchronous_commit"))
    versions = "; ".join(str(sides[side].ask("about")) for side in ("ours", "peer") if side in sides)
    return [
        "A smoke run: the figures say nothing."
        if size is QUICK
        else f"{_rounds(size.rounds)}, the sides taking turns, a fresh database for each figure.",
        f"{_machine()}; Python {platform.python_version()}; {versions}.",
        f"PostgreSQL {places.ask('SHOW server_version')} ({settings}); SQLite in WAL mode with synchronous = FULL. "
        f"Both sides with their default settings. {_flush(places)}",
        "append: one event, encoded and flushed, at an expected version. raw: pgbench with a prepared one-row INSERT "
        "into leftfold's events table; a bare sqlite3 loop with BEGIN IMMEDIATE, the version's SELECT, a pre-encoded "
        "INSERT into the same tables, and COMMIT.",
        "append on a condition: a subscription of a student to a course, tagged with both. 8 at once: in a log of "
        f"{size.small_log:,} such events, unless either has got another since the caller looked; the peer through its "
        "DCBRecorder. decide: both look first. In a large log and in a small one: unless the two have met, ever, with "
        "about 25 events of each tag to look at; then unless either has got another, of a course that has 1 % of the "
        "log. The two logs take turns, call by call; the figures are medians of single calls.",
        "catch a projection up: the accounts' balances, in the order of the log; the peer's runner works off the first "
        f"{size.peer_events:,} events. catch up with {size.log:,}: how many courses a student has. What takes all of "
        "that log is measured once. By CPU time: of the busier worker alone, without the server, which reads the log "
        "for each worker and shares the machine with both.",
    ]


def _flush(places: Places) -> str:
    """What a flush takes."""
    added = f", {added_milliseconds():g} of them added (--flush-ms)" if added_milliseconds() else ""
    return f"A flush of 8 KB takes {flush_milliseconds(places.directory):.2f} ms{added}."


def _rounds(number: int) -> str:
    return "One round" if number == 1 else f"Medians of {number} rounds"


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores of {name}, {platform.system()} {platform.release()}"


def _print(found: list[Line], circumstances: list[str], *, as_markdown: bool) -> None:
    said = [*footnotes(found), *circumstances]
    if as_markdown:
        print(markdown(found), *(line.replace(MARK, f"\\{MARK}") for line in said), sep="\n\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(terminal(found))
    for sentence in said:
        console.print(sentence, style="dim", highlight=False)


if __name__ == "__main__":
    main()
