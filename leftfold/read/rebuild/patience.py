"""Transactions that change tables wait for nobody for long: while one waits, all others would queue up behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from leftfold.database.protocol import Connection, Database
from leftfold.errors import StoreUnavailable
from leftfold.read.tables.catalog import named

Result = TypeVar("Result")

FIRST_PATIENCE, LONGEST_PATIENCE = 0.1, 2.0  # a second is what it takes PostgreSQL to send its autovacuum away
PAUSE = 0.25
_ATTEMPTS = 30


class Busy(Exception):
    """Somebody else has it locked."""


@asynccontextmanager
async def impatiently(database: Database, seconds: float) -> AsyncIterator[Connection]:
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


async def insistently(
    database: Database, tables: Iterable[str], what: str, do: Callable[[Connection], Awaitable[Result]]
) -> Result:
    """Try again and again, in an impatient transaction each; `StoreUnavailable` names who is in the way."""
    patience = FIRST_PATIENCE
    for _ in range(_ATTEMPTS):
        try:
            async with impatiently(database, patience) as connection:
                return await do(connection)
        except Busy:
            await database.sleep(PAUSE)
            patience = min(LONGEST_PATIENCE, patience * 1.5)
    raise await in_the_way(database, tables, what)


async def in_the_way(database: Database, tables: Iterable[str], what: str) -> StoreUnavailable:
    """The error that names whoever has locked these tables."""
    names = [named(database, one) for one in tables]
    async with database.connection() as connection:
        rows = await connection.execute(
            "SELECT DISTINCT a.pid, a.state, a.xact_start::text, left(a.query, 60) FROM pg_locks l "
            "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.granted AND l.pid <> pg_backend_pid() "
            "AND l.relation IN (SELECT to_regclass(one)::oid FROM unnest(%s::text[]) AS one) ORDER BY 3",
            (names,),
        )
    told = "; ".join(f"process {pid} ({state}, since {since}): {query}" for pid, state, since, query in rows)
    return StoreUnavailable(
        f"{what} does not get the locks that it needs for a moment, because of others who keep theirs for long: "
        f"{told or 'nobody who is there now'}. Nothing is lost: let them end, and do it again"
    )
