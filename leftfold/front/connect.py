"""From a URL to an open store: the back end by the scheme, the driver by the door."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from leftfold.database.protocol import Database
from leftfold.database.sqlite.database import SqliteDatabase
from leftfold.database.url import DEFAULT_SCHEMA, PostgresqlUrl, SqliteUrl, parse_url
from leftfold.doors.blocking import BlockingWaiting
from leftfold.doors.protocol import Waiting
from leftfold.doors.step import step
from leftfold.doors.tasks import AsyncioWaiting
from leftfold.errors import InvalidArgument, MissingExtra, NotSupported
from leftfold.events import Registry, default_registry
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.close import close_both
from leftfold.front.store import EventStore
from leftfold.log.contract import Log
from leftfold.log.sqlite.log import SqliteLog
from leftfold.read.inline.projections import InlineProjections
from leftfold.read.inline.switch import establish, rows_elsewhere
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.schema import Policy, migrate


def connect(
    url: str,
    *,
    migrate: Policy = "create",
    registry: Registry = default_registry,
    replica: str | None = None,
    read_models: str | None = None,
    inline: Iterable[Projection[Any]] = (),
) -> EventStore:
    """Open a store: ``sqlite:///bank.db``, ``sqlite://`` (memory) or ``postgresql://…`` (with ``?schema=``).

    ``migrate`` says what may happen to the schema: ``"create"`` makes what is missing in an empty database and never
    upgrades, ``"upgrade"`` brings it up to date, ``"never"`` only checks. ``registry`` holds the event classes.

    ``replica`` is the URL of a streaming replica of that PostgreSQL: reads of the log come from there while it is up to
    date, and from the primary otherwise, with the same results (docs/replicas.md).

    ``read_models`` is the URL of another database for the read models: rows and checkpoints are kept there, together,
    so each event is still applied exactly once. leftfold's tables are made there too, as ``migrate`` says.
    ``inline`` are the projections that every append maintains in its own transaction, so that views show their rows as
    soon as it returns. They must be those that are recorded in the database, or appends are refused: an empty log
    records them by itself, later `Projector.switch` changes them.

    Errors: `InvalidArgument` (the URL, or no replica of it), `StoreUnavailable` (server, password, file),
    `SchemaOutdated`, `ProcessorOutdated` (the inline projections), `MissingExtra`.
    """
    return connected(url, migrate, registry, replica, read_models, inline)


def connected(
    url: str,
    migrate: Policy,
    registry: Registry,
    replica: str | None,
    read_models: str | None,
    inline: Iterable[Projection[Any]],
    projections: Iterable[AnyProjection] = (),
) -> EventStore:
    """The open store of `connect`, which knows these projections, too."""
    log = log_at(url, registry, blocking=True, replica=replica)
    beside = _read_models_at(read_models, url, blocking=True)
    inline = tuple(inline)
    step(_open(log, migrate, url, beside, read_models, _inline(log, inline, beside)))
    return EventStore(log, beside, (*inline, *projections))


def connect_async(
    url: str,
    *,
    migrate: Policy = "create",
    registry: Registry = default_registry,
    replica: str | None = None,
    read_models: str | None = None,
    inline: Iterable[Projection[Any]] = (),
) -> AsyncEventStore:
    """The async twin of `connect`: ``async with lf.connect_async(url) as store``, or ``await store.open()``."""
    return connecting(url, migrate, registry, replica, read_models, inline)


def connecting(
    url: str,
    migrate: Policy,
    registry: Registry,
    replica: str | None,
    read_models: str | None,
    inline: Iterable[Projection[Any]],
    projections: Iterable[AnyProjection] = (),
) -> AsyncEventStore:
    """The store of `connect_async`, not yet open, which knows these projections, too."""
    log = log_at(url, registry, blocking=False, replica=replica)
    beside = _read_models_at(read_models, url, blocking=False)
    inline = tuple(inline)
    maintained = _inline(log, inline, beside)
    opening = partial(_open, log, migrate, url, beside, read_models, maintained)
    return AsyncEventStore(log, opening, beside, (*inline, *projections))


def log_at(url: str, registry: Registry = default_registry, *, blocking: bool, replica: str | None = None) -> Log:
    """The log of a URL, its database not yet opened nor its schema looked at; for tools that look inside."""
    place = parse_url(url)
    waiting = BlockingWaiting() if blocking else AsyncioWaiting()
    if isinstance(place, SqliteUrl):
        if replica is not None:
            raise NotSupported(f"{place} has no replicas: those are streaming replicas of a PostgreSQL server")
        return SqliteLog(SqliteDatabase(place, waiting), registry)
    return _postgresql_log(place, None if replica is None else _beside(place, replica), registry, waiting, blocking)


def _beside(place: PostgresqlUrl, replica: str) -> PostgresqlUrl:
    """A replica's URL; the schema in it is the primary's."""
    other = parse_url(replica)
    if not isinstance(other, PostgresqlUrl):
        raise InvalidArgument(f"replica is the URL of a PostgreSQL server, not {other}")
    if other.schema not in (place.schema, DEFAULT_SCHEMA):
        raise InvalidArgument(f"{other} names another schema than {place}: a replica has the primary's, leave it out")
    return PostgresqlUrl(other.conninfo, place.schema, other.pool_size)


def _postgresql_log(
    place: PostgresqlUrl, replica: PostgresqlUrl | None, registry: Registry, waiting: Waiting, blocking: bool
) -> Log:
    """psycopg is imported here and not before, because it is an extra."""
    try:
        from leftfold.database.postgresql.database import PostgresqlDatabase
        from leftfold.database.postgresql.driver import AsyncDriver, BlockingDriver
        from leftfold.database.postgresql.replica import PATIENCE, ReplicatedDatabase
        from leftfold.log.postgresql.log import PostgresqlLog
        from leftfold.log.postgresql.replicated import ReplicatedLog
    except ImportError as error:
        raise MissingExtra(
            f"a postgresql:// URL needs psycopg 3 ({error}): pip install 'leftfold[postgres]'"
        ) from error
    make = BlockingDriver if blocking else AsyncDriver
    driver = make(place.conninfo, place.pool_size)
    if replica is None:
        return PostgresqlLog(PostgresqlDatabase(place, driver, waiting), registry)
    beside = PostgresqlDatabase(replica, make(replica.conninfo, replica.pool_size, PATIENCE), waiting)
    return ReplicatedLog(ReplicatedDatabase(place, driver, waiting, beside), registry)


def _read_models_at(url: str | None, of_log: str, *, blocking: bool) -> Database | None:
    """The database of the read models, not yet opened; None if that is the log's."""
    if url is None:
        return None
    if parse_url(url) == parse_url(of_log):
        raise InvalidArgument(
            "read_models is the URL of another database than the log's; without it they are kept there"
        )
    return log_at(url, blocking=blocking).database


def _inline(log: Log, projections: Iterable[Projection[Any]], beside: Database | None) -> InlineProjections | None:
    inline = InlineProjections(log.database, log.registry, projections)
    if inline.members and beside is not None:
        raise rows_elsewhere(inline.members)
    return inline if inline.members else None


async def _open(
    log: Log,
    policy: Policy,
    url: str,
    beside: Database | None,
    beside_url: str | None,
    inline: InlineProjections | None,
) -> None:
    try:
        await log.open()
        await migrate(log.database, policy, str(parse_url(url)))
        if beside is not None:
            await beside.open()
            await migrate(beside, policy, str(parse_url(beside_url or "")))
        if inline is not None:
            await establish(log, inline)
    except BaseException:
        await close_both(log, beside or log.database)
        raise
