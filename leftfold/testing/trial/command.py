"""``leftfold verify``: try to prove the log wrong, and say whether that succeeded."""

from __future__ import annotations

import logging
import random
from typing import Annotated

import typer
from rich.console import Console


def verify(
    url: Annotated[
        str | None,
        typer.Option(help="postgresql or sqlite: a store of its own (the default); or the URL of either."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="What happens depends on it; by default another each time.")] = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="For how long.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes.")] = 3,
    callers: Annotated[int, typer.Option(min=1, max=64, help="How many callers at each door of a process.")] = 5,
) -> None:
    """Try to prove the log wrong: many workers and injected faults, and a checker that decides exactly."""
    from leftfold.testing.trial.report import show_beginning, show_round, show_totals, show_verdict
    from leftfold.testing.trial.stage.places import place_at
    from leftfold.testing.trial.stage.plan import Scale
    from leftfold.testing.trial.trial import run_trial

    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # connections that the trial itself takes down
    console = Console()
    chosen = random.randrange(1_000_000) if seed is None else seed
    scale = Scale(workers=workers, callers=callers)
    with place_at(url) as place:
        show_beginning(console, place, chosen, scale)
        totals, verdict = run_trial(place, chosen, minutes, scale, lambda verdict: show_round(console, verdict))
    show_totals(console, totals)
    show_verdict(console, place, verdict)
    if verdict.violations:
        raise typer.Exit(1)
