"""``leftfold run module:app``: one worker, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from leftfold.errors import InvalidArgument
from leftfold.ops.command.loading import load_app


def run(
    app: Annotated[str, typer.Argument(help="The app, as module:app.", show_default=False)],
    lease: Annotated[float, typer.Option(min=0.5, help="Seconds until a worker that has died is replaced.")] = 5.0,
) -> None:
    """Run an app's projections, until Ctrl-C or SIGTERM. Start it as often as you like: all share the work."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    loaded = load_app(app)
    if not loaded.projections:
        raise InvalidArgument(f"{app} has no projections to run")
    console = Console(stderr=True)
    with loaded.connect() as store:
        projector = store.projector(loaded.projections, lease_seconds=lease)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: projector.stop())
        names = ", ".join(projection.name for projection in loaded.projections)
        console.print(f"running {names}; Ctrl-C or SIGTERM ends it after the page under way", highlight=False)
        projector.run()
    console.print("ended in order", highlight=False)
