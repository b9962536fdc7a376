"""``leftfold projections rebuild`` and what belongs to it: rows built anew beside the live ones, and the way back."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from leftfold.ops.command.arguments import AppTarget, Name, ReadModels, Target, Who, Why, projector_of, said
from leftfold.ops.command.loading import store_of
from leftfold.ops.command.progress import ProgressDisplay
from leftfold.read.rebuild.rebuild import Rebuilt


def rebuild(
    target: AppTarget,
    name: Name,
    compare: Annotated[bool, typer.Option("--compare", help="Tell which rows are not what the live ones are.")] = False,
    swap: Annotated[bool, typer.Option("--swap/--no-swap", help="Put the new rows in the place of the old.")] = True,
    parts: Annotated[
        int | None, typer.Option(min=1, help="Build so many parts side by side; start it twice for two processes.")
    ] = None,
    why: Why = "",
    who: Who = None,
) -> None:
    """Build a projection's rows anew beside the live ones, and swap them. If it is ended, say it again: it goes on."""
    console = Console()
    with store_of(target) as (store, app):
        projector = projector_of(store, app)
        try:
            with ProgressDisplay() as display:
                done = projector.rebuild(
                    name, compare=compare, swap=swap, parts=parts, progress=display.show, why=why, who=who
                )
        except KeyboardInterrupt:
            typer.echo("stopped: the live rows are as they were, and the same command goes on from here", err=True)
            raise
        former = any(status.role == "former" for status in store.processors.status(name))
    if done.comparison is not None:
        console.print(done.comparison, highlight=False)
    console.print(_told(done, target, former), highlight=False, markup=False, soft_wrap=True)


def rollback(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Let the rows from before the last swap be live again, at once. Once more, and the others are."""
    with store_of(target, read_models) as (store, _):
        store.projector([]).rollback(name, why=why, who=who)
        live = next(status for status in store.processors.status(name) if status.role == "live")
    print(
        f"{name}: the former rows, of version {live.version}, are live again, at position {live.position:,} of "
        f"{live.head:,}; workers with the code of version {live.version} bring them up to date"
    )


def drop_former(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Drop the rows that a swap has kept for rollback."""
    with store_of(target, read_models) as (store, _):
        store.projector([]).drop_former(name, why=why, who=who)
    print(f"{name}: the former rows are dropped; there is no rollback before the next swap")


def abandon(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Drop the rows that a rebuild has begun and not swapped."""
    with store_of(target, read_models) as (store, _):
        store.projector([]).abandon(name, why=why, who=who)
    print(f"{name}: what was being built is dropped; the live rows are as they were")


def accept_changes(target: AppTarget, name: Name, why: Why, who: Who = None) -> None:
    """Take the live rows for those of today's code: what has changed in it makes no difference to them."""
    with store_of(target) as (store, app):
        projector_of(store, app).accept_changes(name, why=said(why), who=who)
    print(f"{name}: the live rows are taken for those of this code")


def _told(done: Rebuilt, target: str, former: bool) -> str:
    rate = f", {done.events / done.seconds:,.0f} a second" if done.events and done.seconds else ""
    folded = f"{done.events:,} event{'s' * (done.events != 1)} folded here in {done.seconds:.1f} s{rate}"
    where = f"{done.projection}: rows of version {done.version}, up to position {done.position:,}"
    if not done.swapped:
        return (
            f"{where}, stand beside the live ones ({folded})\n"
            f"swap them:  leftfold projections rebuild {target} {done.projection}\n"
            f"drop them:  leftfold projections abandon {target} {done.projection}"
        )
    back = f"\ngo back:    leftfold projections rollback {target} {done.projection}"
    drop = f"\nor let go:  leftfold projections drop-former {target} {done.projection}"
    return f"{where}, are live ({folded})" + (back + drop if former else "")
