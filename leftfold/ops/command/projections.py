"""``leftfold projections …``: where they stand, and what people do to them. TARGET is a URL, or module:app."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from leftfold.doors.step import step
from leftfold.errors import InvalidArgument
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedEvent, ParkedEvents
from leftfold.front.projector import Projector
from leftfold.ops.command.arguments import AppTarget, Name, ReadModels, Target, Who, Why, projector_of, said
from leftfold.ops.command.display import plain_table, printable, when
from leftfold.ops.command.loading import store_of
from leftfold.ops.command.rebuild import abandon, accept, drop_former, rebuild, rollback
from leftfold.ops.command.status_table import status_json, status_table

projections = typer.Typer(
    no_args_is_help=True, help="Where projections stand; pause, retry, skip, unpark; rebuild, rollback; switch."
)
for act in (rebuild, rollback, drop_former, abandon, accept):
    projections.command()(act)


@projections.command()
def status(
    target: Target,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if a projection is stuck, late or without a worker.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    read_models: ReadModels = None,
) -> None:
    """Show where each projection stands against the head of the log, and why what stands still does."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        projector = store.projector([])
        if watch:
            with Live(status_table(projector.status()), console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(0.5)
                    live.update(status_table(projector.status()), refresh=True)
        found = projector.status()
    if json:
        print(status_json(found))
    else:
        console.print(status_table(found), highlight=False)
    if check and not all(one.is_healthy for one in found):
        raise typer.Exit(1)


@projections.command()
def pause(target: Target, name: Name, why: Why, who: Who = None, read_models: ReadModels = None) -> None:
    """Let nothing be applied any more, from now on."""
    with store_of(target, read_models) as (store, _):
        store.projector([]).pause(name, why=said(why), who=who)
    print(f"{name} is paused")


@projections.command()
def resume(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Let a paused projection run again."""
    with store_of(target, read_models) as (store, _):
        store.projector([]).resume(name, why=why, who=who)
    print(f"{name} may run again")


@projections.command()
def retry(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Let workers try the event again in front of which a projection stands still."""
    with store_of(target, read_models) as (store, _):
        found = store.projector([]).retry(name, why=why, who=who)
    for one in found:
        print(f"{name} tries event {one.type!r} of {one.stream!r} at position {one.position} again")


@projections.command()
def skip(
    target: Target,
    name: Name,
    position: Annotated[int, typer.Option(help="The event's position, as status tells it.")],
    why: Why,
    who: Who = None,
    read_models: ReadModels = None,
) -> None:
    """Go on behind the event in front of which a projection stands still, without ever applying it."""
    with store_of(target, read_models) as (store, _):
        one = store.projector([]).skip(name, position=position, why=said(why), who=who)
    print(
        f"{name} goes on behind event {one.type!r} of {one.stream!r} at position {one.position}, which it never applies"
    )


@projections.command()
def parked(target: Target, name: Name, read_models: ReadModels = None) -> None:
    """Show the events that a projection has set aside, and why."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        found = step(_parked(store.projector([]), name))
    if not found:
        console.print("nothing is set aside")
        return
    table = plain_table()
    for title in ("position", "key", "stream", "type", "since (UTC)", "why"):
        table.add_column(title, overflow="fold", justify="right" if title == "position" else "left")
    for one in found:
        key = ", ".join(str(value) for value in msgspec.json.decode(one.key))
        texts = (key, one.stream, one.type, one.parked_at[:19].replace("T", " "), one.error or "waits behind it")
        table.add_row(f"{one.position:,}", *(Text(printable(text)) for text in texts))
    console.print(table, highlight=False)
    console.print(f"\nleftfold projections unpark module:app {printable(name)} applies them", style="dim")


@projections.command()
def unpark(
    target: AppTarget,
    name: Name,
    key: Annotated[str | None, typer.Option(help="Only this key's events, where the key is one text.")] = None,
    why: Why = "",
    who: Who = None,
) -> None:
    """Apply what a projection has set aside, in order."""
    with store_of(target) as (store, app):
        done = projector_of(store, app).unpark(name, key=key, why=why, who=who)
    left = f"; {done.left:,} are still aside, for one failed again" if done.left else ""
    print(f"{name}: {done.applied:,} applied{left}")


@projections.command("make-inline")
def make_inline(
    target: AppTarget,
    name: Name,
    why: Why = "",
    who: Who = None,
) -> None:
    """Have every append maintain a projection, in its own transaction."""
    with store_of(target) as (store, app):
        projector_of(store, app).make_inline(name, why=why, who=who)
    print(f"appends maintain {name} from now on: connect anew, with inline=[…]")


@projections.command("make-async")
def make_async(target: Target, name: Name, why: Why = "", who: Who = None) -> None:
    """Have workers maintain a projection that appends maintain."""
    with store_of(target) as (store, _):
        store.projector([]).make_async(name, why=why, who=who)
    print(f"workers maintain {name} from now on: connect anew, without it in inline=[…]")


@projections.command()
def acts(
    target: Target,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    read_models: ReadModels = None,
) -> None:
    """Show what was done to projections, by whom and why."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        found = store.projector([]).acts(limit)
    table = plain_table()
    for title in ("when (UTC)", "projection", "act", "who", "why"):
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(when(one.at), *(Text(printable(text)) for text in (one.projection, one.act, one.who, one.why)))
    console.print(table if found else "nothing was ever done to a projection here", highlight=False)


async def _parked(projector: Projector, name: str) -> list[ParkedEvent]:
    database = projector.database
    async with database.connection() as connection:
        live = await Generations(database).find(connection, name)
        if live is None:
            raise InvalidArgument(f"there is no projection {name!r} in this database")
        return await ParkedEvents(database).all(connection, name, live.number)
