"""Lets many students race for few places, and reads the log again: ``python -m examples.courses --url URL``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console

import leftfold as lf
from examples.courses.race import Race, plan, run, run_async
from examples.courses.screen import announce, report
from leftfold.database.url import parse_url


def main(
    url: Annotated[
        str | None, typer.Option(help="sqlite:///school.db or postgresql://user@host/database; else a temporary file.")
    ] = None,
    students: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 24,
    seed: Annotated[int, typer.Option(help="For the wishes; the outcome depends on which student is faster.")] = 1,
    through_async: Annotated[bool, typer.Option("--async", help="Go through the async door.")] = False,
) -> None:
    """Many students race for few places. The log is read again afterwards, and every rule checked at every event."""
    try:
        if url is not None:
            show(url, plan(students, seed, f"-{uuid4().hex[:6]}"), through_async)
            return
        with tempfile.TemporaryDirectory(prefix="leftfold-courses-") as folder:
            show(f"sqlite:///{Path(folder) / 'school.db'}", plan(students, seed), through_async)
    except lf.LeftfoldError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def show(url: str, race: Race, through_async: bool) -> None:
    """Run it and show what came of it; a violated rule is a failure of the command."""
    console = Console()
    announce(race, str(parse_url(url)), console)
    result = asyncio.run(run_async(url, race)) if through_async else run(url, race)
    report(result, console)
    if result.audit.violations:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
