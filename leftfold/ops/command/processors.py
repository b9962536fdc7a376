"""Acts on processors: ``leftfold status|pause|resume|retry|skip|parked|unpark|audit APP …``.

APP is module:app, or the URL of a store.
"""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from leftfold.ops.command.arguments import AppTarget, Name, ReadModels, Target, Who, Why, said, with_code
from leftfold.ops.command.display import plain_table, printable, when
from leftfold.ops.command.loading import store_of
from leftfold.ops.command.status_table import status_json, status_table


def status(
    target: Target,
    name: Annotated[str | None, typer.Argument(help="Only this processor.", show_default=False)] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if a processor is stuck, late or without a worker.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    read_models: ReadModels = None,
) -> None:
    """Show where each processor stands against the head of the log, and why what stands still does."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        processors = store.processors
        if watch:
            with Live(status_table(processors.status(name)), console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(0.5)
                    live.update(status_table(processors.status(name)), refresh=True)
        found = processors.status(name)
    if json:
        print(status_json(found))
    else:
        console.print(status_table(found), highlight=False)
    if check and not all(processor.is_healthy for processor in found):
        raise typer.Exit(1)


def pause(target: Target, name: Name, why: Why, who: Who = None, read_models: ReadModels = None) -> None:
    """Apply nothing any more, from now on."""
    with store_of(target, read_models) as (store, _):
        store.processors.pause(name, why=said(why), who=who)
    print(f"{name} is paused")


def resume(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Let a paused processor run again."""
    with store_of(target, read_models) as (store, _):
        store.processors.resume(name, why=why, who=who)
    print(f"{name} may run again")


def retry(target: Target, name: Name, why: Why = "", who: Who = None, read_models: ReadModels = None) -> None:
    """Let workers try the event again in front of which a processor stands still."""
    with store_of(target, read_models) as (store, _):
        found = store.processors.retry(name, why=why, who=who)
    for event in found:
        print(f"{name} tries event {event.type!r} of {event.stream!r} at position {event.position} again")


def skip(
    target: Target,
    name: Name,
    position: Annotated[int, typer.Option(help="The event's position, as status tells it.")],
    why: Why,
    who: Who = None,
    read_models: ReadModels = None,
) -> None:
    """Go on behind the event in front of which a processor stands still, without ever applying it."""
    with store_of(target, read_models) as (store, _):
        event = store.processors.skip(name, position=position, why=said(why), who=who)
    of = f"event {event.type!r} of {event.stream!r} at position {event.position}"
    print(f"{name} goes on behind {of}, which it never applies")


def parked(target: Target, name: Name, read_models: ReadModels = None) -> None:
    """Show the events that a processor has parked, and why."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        found = store.processors.parked(name)
    if not found:
        console.print("nothing is parked")
        return
    table = plain_table()
    for title in ("position", "key", "stream", "type", "since (UTC)", "why"):
        table.add_column(title, overflow="fold", justify="right" if title == "position" else "left")
    for event in found:
        key = ", ".join(str(value) for value in msgspec.json.decode(event.key))
        texts = (
            key,
            event.stream,
            event.type,
            event.parked_at[:19].replace("T", " "),
            event.error or "waits behind it",
        )
        table.add_row(f"{event.position:,}", *(Text(printable(text)) for text in texts))
    console.print(table, highlight=False)
    told = target if "://" not in target else "module:app"
    console.print(f"\nleftfold unpark {told} {printable(name)} applies them", style="dim")


def unpark(
    target: AppTarget,
    name: Name,
    key: Annotated[str | None, typer.Option(help="Only this key's events, where the key is one text.")] = None,
    why: Why = "",
    who: Who = None,
) -> None:
    """Apply what a processor has parked, in order."""
    with store_of(with_code(target)) as (store, _):
        done = store.processors.unpark(name, key=key, why=why, who=who)
    left = f"; {done.left:,} are still parked, for one failed again" if done.left else ""
    print(f"{name}: {done.applied:,} applied{left}")


def audit(
    target: Target,
    name: Annotated[str | None, typer.Argument(help="Only this processor.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    read_models: ReadModels = None,
) -> None:
    """Show what was done to processors, by whom and why."""
    console = Console()
    with store_of(target, read_models) as (store, _):
        found = store.processors.audit(name, limit=limit)
    table = plain_table()
    for title in ("when (UTC)", "processor", "act", "who", "why"):
        table.add_column(title, overflow="fold")
    for entry in found:
        texts = (entry.processor, entry.act, entry.who, entry.why)
        table.add_row(when(entry.at), *(Text(printable(text)) for text in texts))
    console.print(table if found else "nothing was ever done to a processor here", highlight=False)


COMMANDS = (status, pause, resume, retry, skip, parked, unpark, audit)
