"""What the commands about projections are given."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from leftfold.errors import InvalidArgument
from leftfold.front.app import App
from leftfold.front.projector import Projector

Target = Annotated[str, typer.Argument(help="The store's URL, or the app as module:app.", show_default=False)]
AppTarget = Annotated[str, typer.Argument(help="The app, as module:app.", show_default=False)]
Name = Annotated[str, typer.Argument(help="The processor, such as a projection.", show_default=False)]
Why = Annotated[str, typer.Option(help="Why; it is kept.")]
Who = Annotated[str | None, typer.Option(help="Who; by default you, user@host.")]
ReadModels = Annotated[str | None, typer.Option(help="The database of the read models, where that is not the log's.")]


def projector_of(store: Any, app: App | None) -> Projector:
    """The projector of an app; `InvalidArgument` if only a URL is known, for then there is no code."""
    if app is None:
        raise InvalidArgument("this needs the projection's code: name the app, module:app, in place of the URL")
    projector: Projector = store.projector(app.projections)
    return projector


def with_code(target: str) -> str:
    """The app's name; `InvalidArgument` if it is only a URL, for then there is no code."""
    if "://" in target:
        raise InvalidArgument(f"this needs the processor's code: name the app, module:app, in place of {target}")
    return target


def said(why: str) -> str:
    """What was said; `InvalidArgument` if nothing was."""
    if not why.strip():
        raise InvalidArgument("say why with --why, such as --why 'the event was imported twice'; it is kept")
    return why.strip()
