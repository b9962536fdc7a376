"""Transactions that change tables wait for a lock only for a moment: while one waits, all others queue up behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from leftfold.database.protocol import Connection, Database
from leftfold.database.statements import statement
from leftfold.errors import StoreUnavailable
from leftfold.read.tables.catalog import named

Result = TypeVar("Result")

FIRST_TIMEOUT, LONGEST_TIMEOUT = 0.1, 2.0  # a second is what it takes PostgreSQL to send its autovacuum away
PAUSE = 0.25
_ATTEMPTS = 30


class Busy(Exception):
    """Another session has it locked, or another rebuild holds it."""


@asynccontextmanager
async def with_lock_timeout(database: Database, seconds: float) -> AsyncIterator[Connection]:
    """A transaction in which no lock is waited for longer than that: `Busy`. SQLite has but one, for the writer."""
    try:
        async with database.transaction() as connection:
            if database.dialect == "postgresql":
                await connection.execute(f"SET LOCAL lock_timeout = '{int(seconds * 1000)}ms'")
            yield connection
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlstate", None) == "55P03":
            raise Busy from error
        raise


async def retry_lock_timeout(
    database: Database, tables: Iterable[str], what: str, do: Callable[[Connection], Awaitable[Result]]
) -> Result:
    """Try in one transaction after the other; `StoreUnavailable` names the sessions that keep the tables locked."""
    timeout = FIRST_TIMEOUT
    for _ in range(_ATTEMPTS):
        try:
            async with with_lock_timeout(database, timeout) as connection:
                return await do(connection)
        except Busy:
            await database.sleep(PAUSE)
            timeout = longer(timeout)
    raise await lock_holders(database, tables, what)


def longer(timeout: float) -> float:
    """The timeout of the next attempt."""
    return min(LONGEST_TIMEOUT, timeout * 1.5)


async def lock_holders(database: Database, tables: Iterable[str], what: str) -> StoreUnavailable:
    """The error that names the sessions that have locked these tables."""
    async with database.connection() as connection:
        names = [named(database, table) for table in tables]
        rows = await connection.execute(statement(__package__, "lock_holders"), (names,))
    sessions = "; ".join(f"process {pid} ({state}, since {since}): {query}" for pid, state, since, query in rows)
    return StoreUnavailable(
        f"{what} does not get the locks that it needs for a moment, because other sessions keep theirs for long: "
        f"{sessions or 'none of them is there now'}. Nothing is lost: let them end, and do it again"
    )
