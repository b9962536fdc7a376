"""The command line, ``leftfold …``: what looks inside a store, and what acts on its processors. It parses and prints.

An error is a single line on stderr, ``error: …``, and exit code 1; Ctrl-C is exit code 130.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime, time
from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url
from leftfold.doors.step import step, step_each, step_inside
from leftfold.errors import InvalidArgument, LeftfoldError
from leftfold.events import Query
from leftfold.front.connect import log_at
from leftfold.front.store import Subscription
from leftfold.log.subscription.subscription import SubscriptionEngine
from leftfold.ops.command import display, processors
from leftfold.ops.command.doctor import examine_given, show_epoch, show_repairs
from leftfold.ops.command.projections import projections
from leftfold.ops.command.run import run
from leftfold.ops.doctor.diagnosis import diagnose
from leftfold.ops.inspect.streams import history, latest
from leftfold.ops.inspect.streams import streams as list_streams
from leftfold.ops.opening import opened
from leftfold.schema.migrations import migrate as apply_migrations
from leftfold.schema.migrations import migration_sql

# What the parser raises and typer shows by itself: click's own class, or that of the copy which newer typers carry.
_USAGE_ERROR = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class Commands(TyperGroup):
    """The commands, with every error told in a single line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except LeftfoldError as error:
            raise _failed(str(error)) from None
        except Exception as error:
            if isinstance(error, _USAGE_ERROR) or os.environ.get("LEFTFOLD_TRACEBACK"):
                raise
            hint = "LEFTFOLD_TRACEBACK=1 shows where"
            raise _failed(f"{type(error).__name__}: {error} ({hint})") from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Event sourcing and CQRS for Python. URL is sqlite:///bank.db or postgresql://user@host/database.",
)

app.add_typer(projections, name="projections")
app.command()(run)
for act in processors.COMMANDS:
    app.command()(act)

Url = Annotated[str, typer.Argument(help="sqlite:///bank.db or postgresql://user@host/database", show_default=False)]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


def main() -> None:
    """The entry point."""
    app()


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        print(f"leftfold {installed('leftfold')}")
        raise typer.Exit


@app.command()
def demo(
    url: Annotated[str | None, typer.Option(help="A database to play on; its events stay there.")] = None,
) -> None:
    """Watch event sourcing work: a bank, in a temporary SQLite file or at --url."""
    from leftfold.ops.demo.performance import run_demo

    run_demo(url, Console())


@app.command()
def streams(
    url: Url,
    limit: Limit = 50,
    category: Annotated[str | None, typer.Option(help="Only streams of this category.")] = None,
    after: Annotated[str, typer.Option(help="Go on behind this stream.")] = "",
) -> None:
    """List the streams by name, with the number of their events and the last one."""
    console = Console()
    with step_inside(opened(url)) as log:
        found = step(list_streams(log, after=after, category=category, limit=limit + 1))
    if not found:
        console.print("no streams" + (" (any more)" if after else ""))
        return
    display.show_streams(console, found[:limit])
    if len(found) > limit:
        name = display.printable(found[limit - 1].name)
        console.print(f"\nthere are more: --after '{name}' goes on, --limit shows more at once", style="dim")


@app.command()
def show(
    url: Url,
    stream: Annotated[str, typer.Argument(help="Such as BankAccount-alice.", show_default=False)],
    at: Annotated[
        str | None,
        typer.Option(help="Only what had occurred by then: 2026-01-16 (its end, in UTC) or 2026-01-16T09:30Z."),
    ] = None,
    version: Annotated[int | None, typer.Option(help="Only up to this version.")] = None,
    limit: Limit = 100,
    full: Annotated[bool, typer.Option("--full", help="Show long data whole.")] = False,
) -> None:
    """Show the events of a stream, up to a version or as of a date."""
    console = Console()
    moment = None if at is None else parse_moment(at)
    with step_inside(opened(url)) as log:
        found = step(history(log, stream, version=version, at=moment, limit=limit))
    name = display.printable(stream)
    as_of = "" if moment is None else f", as of {at}"
    up_to = "" if version is None else f", up to version {version}"
    console.print(f"{name} is at version {found.version}{up_to}{as_of}\n", highlight=False, markup=False)
    if not found.events:
        console.print("nothing had occurred by then")
        return
    if found.earlier:
        console.print(f"… earlier events are not shown: --limit shows more than {limit}", style="dim", highlight=False)
    display.show_events(console, found.events, full=full)


@app.command()
def tail(
    url: Url,
    after: Annotated[int | None, typer.Option(min=0, help="Begin behind this position, not at the end.")] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only events of this type; may be repeated.")] = None,
    category: Annotated[str | None, typer.Option(help="Only streams of this category.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last events to begin with.")] = 10,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
) -> None:
    """Show the last events of the log, then each new event."""
    console = Console()
    query = Query.of(*(type or []), category=category)
    with step_inside(opened(url)) as log:
        position = after
        if position is None:
            position = step(log.head())
            for recorded in step(latest(log, query, until=position, limit=lines)) if lines else []:
                display.show_line(console, recorded)
        if follow:
            with Subscription(SubscriptionEngine(log, query, position)) as subscription:
                for recorded in subscription:
                    display.show_line(console, recorded)
            return
        for page in step_each(log.read_log(query, after=position)):
            for recorded in page:
                display.show_line(console, recorded)


@app.command()
def migrate(
    url: Url,
    sql: Annotated[bool, typer.Option("--sql", help="Print the whole script, and run nothing.")] = False,
) -> None:
    """Create the tables, or bring them up to date."""
    place = parse_url(url)
    if sql:
        if isinstance(place, PostgresqlUrl):
            print(migration_sql("postgresql", place.schema))
        else:
            print(migration_sql("sqlite", None))
        return
    if isinstance(place, SqliteUrl) and place.path is None:
        raise InvalidArgument("sqlite:// is in memory and ends with this command: name a file, sqlite:///bank.db")
    log = log_at(url, blocking=True)
    try:
        step(log.database.open())
        done = step(apply_migrations(log.database, "upgrade", str(place)))
    finally:
        step(log.close())
    for applied in done:
        print(f"applied {applied.number:04} {applied.name}")
    print(f"{place} is up to date" + ("" if done else " already"))


@app.command()
def doctor(
    url: Url,
    new_epoch: Annotated[
        bool, typer.Option("--new-epoch", help="After a restore, or a failover that may have lost events: say so.")
    ] = False,
    new_identity: Annotated[
        bool, typer.Option("--new-identity", help="This is a copy that lives on as another store.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why there is a new epoch or identity; it is kept.")] = "",
    checkpoint: Annotated[str | None, typer.Option(help="Whether a follower may go on from this checkpoint.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Say what can be put right, and with --yes do it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Examine a store: reachable, up to date, durable, one history; and known dangers. Put right what can be."""
    console = Console()
    if new_epoch or new_identity:
        show_epoch(console, url, new_epoch, new_identity, reason)
    elif reason:
        raise InvalidArgument("--reason is for --new-epoch or --new-identity")
    if repair:
        show_repairs(console, url, do=yes)
    elif yes:
        raise InvalidArgument("--yes is for --repair")
    findings = step(diagnose(url))
    if checkpoint is not None:
        findings.append(examine_given(url, checkpoint))
    display.show_findings(console, findings)
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)


def parse_moment(text: str) -> datetime:
    """A date as its last moment in UTC, or a moment with its zone; `InvalidArgument` for anything else."""
    try:
        if "T" not in text and " " not in text.strip():
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f"{text!r} is no date: expected 2026-01-16 or 2026-01-16T09:30Z") from None
    if moment.tzinfo is None:
        raise InvalidArgument(f"{text!r} has no time zone: write {text}Z for UTC, or {text}+01:00")
    return moment


def _failed(why: str) -> typer.Exit:
    print(f"error: {display.printable(why)}", file=sys.stderr)
    return typer.Exit(1)
