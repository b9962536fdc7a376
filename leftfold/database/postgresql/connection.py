"""A psycopg connection for the engine: errors in words, and transactions at READ COMMITTED."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from leftfold.database.postgresql.driver import Statements
from leftfold.database.protocol import Row, Statement
from leftfold.database.statements import execute_each
from leftfold.errors import LeftfoldError, StoreUnavailable

Result = TypeVar("Result")

BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
COMMIT = Statement("COMMIT")

REMEDIES = {
    "28": "check the user and the password",
    "3D": "create the database, or correct its name in the URL",
    "42501": "grant the user CREATE on the database and ALL on the schema, or migrate as its owner",
    "25006": "the server is a standby, or the transaction is read only: connect to the primary, or let it write",
    "53": "the server is out of disk, memory or connections",
    "55P03": "a lock_timeout is set, and ran out",
    "57014": "the statement was cancelled, or a statement_timeout ran out",
}


class ConnectionLost(StoreUnavailable):
    """The connection died under a statement, whose outcome is unknown. The log tries again with the same event ids."""


class PostgresqlConnection:
    """A `Connection` over psycopg."""

    def __init__(self, raw: Any, driver: Statements, place: str) -> None:
        self.raw = raw
        self._driver = driver
        self._place = place

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        try:
            return await self._translated(self._driver.execute(self.raw, sql, parameters))
        except errors.FeatureNotSupported as error:
            if error.diag.source_function != "RevalidateCachedQuery" or not self._is_outside():
                raise
        # "cached plan must not change result type". For example, a rebuild has swapped tables, and the new table has
        # columns of other types. The statement is prepared anew.
        await self._translated(self._driver.execute(self.raw, "DEALLOCATE ALL", ()))
        return await self._translated(self._driver.execute(self.raw, sql, parameters))

    def _is_outside(self) -> bool:
        """Whether it is outside a transaction, which the failure would have ended."""
        status: TransactionStatus = self.raw.info.transaction_status
        return status is TransactionStatus.IDLE

    async def execute_raw(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """In binary format: uuid and json as bytes, timestamptz as microseconds since 2000-01-01."""
        return await self._translated(self._driver.execute_raw(self.raw, sql, parameters))

    async def execute_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._translated(self._driver.execute_many(self.raw, sql, parameters))

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        return await execute_each(self, statements)

    async def _translated(self, running: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await running
        except psycopg.Error as error:
            self.raise_unavailable(error)
            raise

    def raise_unavailable(self, error: psycopg.Error) -> None:
        """`ConnectionLost` or `StoreUnavailable`, in words, if the error is not the statement's."""
        if self.raw.closed or (error.sqlstate or "").startswith(("08", "57P")):
            raise ConnectionLost(f"the connection to {self._place} was lost: {first_line(error)}") from error
        if (unavailable := as_unavailable(error, self._place)) is not None:
            raise unavailable from error


@asynccontextmanager
async def in_transaction(connection: PostgresqlConnection) -> AsyncIterator[None]:
    """READ COMMITTED; committed on a clean exit."""
    async with rolled_back(connection):
        await connection.execute(BEGIN.sql)
        yield
        await connection.execute(COMMIT.sql)


@asynccontextmanager
async def rolled_back(connection: PostgresqlConnection) -> AsyncIterator[None]:
    """Roll back on any error of the block, which begins and commits a transaction itself."""
    try:
        yield
    except ConnectionLost:
        raise
    except BaseException:
        with suppress(LeftfoldError, psycopg.Error):  # lost, hence rolled back; the error under way says more
            await connection.execute("ROLLBACK")
        raise


def as_unavailable(error: psycopg.Error, place: str) -> StoreUnavailable | None:
    """The error in words if the database cannot be used; None if the statement is at fault."""
    state = error.sqlstate or ""
    for start, remedy in REMEDIES.items():
        if state.startswith(start):
            return StoreUnavailable(f"{place}: {first_line(error)}; {remedy}")
    return None


def first_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
