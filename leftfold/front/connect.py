"""From a URL to an open store: the back end by the scheme, the driver by the door."""

from __future__ import annotations

from leftfold.database import Policy, SqliteUrl, migrate, parse_url, step
from leftfold.database.sqlite import SqliteDatabase
from leftfold.database.waiting import AsyncioWaiting, BlockingWaiting
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
    log = _log(url, registry, blocking=True)
    step(_open(log, migrate, url))
    return EventStore(log)


def connect_async(url: str, *, migrate: Policy = "create", registry: Registry = default_registry) -> AsyncEventStore:
    """The async twin of `connect`: ``async with lf.connect_async(url) as store``, or ``await store.open()``."""
    log = _log(url, registry, blocking=False)
    return AsyncEventStore(log, lambda: _open(log, migrate, url))


def _log(url: str, registry: Registry, *, blocking: bool) -> Log:
    place = parse_url(url)
    waiting = BlockingWaiting() if blocking else AsyncioWaiting()
    if isinstance(place, SqliteUrl):
        return SqliteLog(SqliteDatabase(place, waiting), registry)
    raise NotImplementedError


async def _open(log: Log, policy: Policy, url: str) -> None:
    await log.database.open()
    try:
        await migrate(log.database, policy, str(parse_url(url)))
    except BaseException:
        await log.database.close()
        raise
