"""Opening a store to look inside, without changing anything: no file is created, no table, no journal mode."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

from leftfold.database.url import SqliteUrl, parse_url
from leftfold.errors import InvalidArgument, SchemaOutdated, StoreUnavailable
from leftfold.front.connect import log_at
from leftfold.log.contract import Log
from leftfold.schema import migrate


@asynccontextmanager
async def opened(url: str, *, blocking: bool = True, judge: bool = True) -> AsyncIterator[Log]:
    """The log at a URL, whose schema must be the one that this code knows (unless ``judge`` is off).

    `InvalidArgument`, `StoreUnavailable`, `SchemaOutdated` or `MissingExtra` say why that cannot be.
    """
    place = parse_url(url)
    if isinstance(place, SqliteUrl) and not is_store(place) and judge:
        raise SchemaOutdated(f"the database {place} has no tables of leftfold's: check the path")
    log = log_at(url, blocking=blocking)
    try:
        await log.database.open()
        if judge:
            await migrate(log.database, "never", str(place))
        yield log
    finally:
        await log.close()


def is_store(place: SqliteUrl) -> bool:
    """Whether leftfold has been in this file, looked at read only; `StoreUnavailable` if there is no file.

    What cannot be read is left to the real opening, which says why.
    """
    if place.path is None:
        raise InvalidArgument(
            "sqlite:// is in memory, private to its process and empty: name a file, sqlite:///bank.db"
        )
    if not Path(place.path).exists():
        raise StoreUnavailable(f"{place}: there is no such file; check the path (it is relative to {Path.cwd()})")
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{quote(place.path)}?mode=ro", uri=True)) as raw:
        return bool(raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'leftfold_migrations'").fetchall())
    return True
