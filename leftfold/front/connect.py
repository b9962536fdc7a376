"""From a URL to an open store: the back end by the scheme, the driver by the door."""

from __future__ import annotations

from leftfold.database import Policy, PostgresqlUrl, SqliteUrl, migrate, parse_url, step
from leftfold.database.sqlite import SqliteDatabase
from leftfold.database.waiting import AsyncioWaiting, BlockingWaiting, Waiting
from leftfold.errors import MissingExtra
from leftfold.events import Registry, default_registry
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.store import EventStore
from leftfold.log import Log
from leftfold.log.sqlite import SqliteLog


def connect(url: str, *, migrate: Policy = "create", registry: Registry = default_registry) -> EventStore:
    """Open a store: ``sqlite:///bank.db``, ``sqlite://`` (memory) or ``postgresql://…`` (with ``?schema=``).

    ``migrate`` says what may happen to the schema: ``"create"`` makes what is missing in an empty database and never
    upgrades, ``"upgrade"`` brings it up to date, ``"never"`` only checks. ``registry`` holds the event classes.

    Errors: `InvalidArgument` (the URL), `StoreUnavailable` (server, password, file), `SchemaOutdated`, `MissingExtra`.
    """
    log = log_at(url, registry, blocking=True)
    step(_open(log, migrate, url))
    return EventStore(log)


def connect_async(url: str, *, migrate: Policy = "create", registry: Registry = default_registry) -> AsyncEventStore:
    """The async twin of `connect`: ``async with lf.connect_async(url) as store``, or ``await store.open()``."""
    log = log_at(url, registry, blocking=False)
    return AsyncEventStore(log, lambda: _open(log, migrate, url))


def log_at(url: str, registry: Registry = default_registry, *, blocking: bool) -> Log:
    """The log of a URL, its database not yet opened nor its schema looked at; for tools that look inside."""
    place = parse_url(url)
    waiting = BlockingWaiting() if blocking else AsyncioWaiting()
    if isinstance(place, SqliteUrl):
        return SqliteLog(SqliteDatabase(place, waiting), registry)
    return _postgresql_log(place, registry, waiting, blocking=blocking)


def _postgresql_log(place: PostgresqlUrl, registry: Registry, waiting: Waiting, *, blocking: bool) -> Log:
    """psycopg is imported here and not before, because it is an extra."""
    try:
        from leftfold.database.postgresql import PostgresqlDatabase
        from leftfold.database.psycopg_drivers import AsyncDriver, BlockingDriver
        from leftfold.log.postgresql import PostgresqlLog
    except ImportError as error:
        raise MissingExtra(
            f"a postgresql:// URL needs psycopg 3 ({error}): pip install 'leftfold[postgres]'"
        ) from error
    driver = (BlockingDriver if blocking else AsyncDriver)(place.conninfo, place.pool_size)
    return PostgresqlLog(PostgresqlDatabase(place, driver, waiting), registry)


async def _open(log: Log, policy: Policy, url: str) -> None:
    try:
        await log.database.open()
        await migrate(log.database, policy, str(parse_url(url)))
    except BaseException:
        await log.close()
        raise
