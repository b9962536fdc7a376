"""PostgreSQL: pooled connections in autocommit, explicit READ COMMITTED transactions, and errors in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout

from leftfold.database.protocol import Dialect, Row, Signal
from leftfold.database.psycopg_drivers import Driver, Statements
from leftfold.database.url import PostgresqlUrl
from leftfold.database.waiting import Waiting
from leftfold.errors import NotSupported, StoreUnavailable

Result = TypeVar("Result")

_UNAVAILABLE = {
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
        self._raw = raw
        self._driver = driver
        self._place = place

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        try:
            return await self._translated(self._driver.execute(self._raw, sql, parameters))
        except errors.FeatureNotSupported as error:
            if error.diag.source_function != "RevalidateCachedQuery" or not self._is_outside():
                raise
        # A prepared statement meets another table of the same name, with columns of other types: it is prepared anew.
        await self._translated(self._driver.execute(self._raw, "DEALLOCATE ALL", ()))
        return await self._translated(self._driver.execute(self._raw, sql, parameters))

    def _is_outside(self) -> bool:
        """Whether it is in no transaction, which the failure would have ended."""
        status: TransactionStatus = self._raw.info.transaction_status
        return status is TransactionStatus.IDLE

    async def execute_raw(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """In binary format: uuid and json as bytes, timestamptz as microseconds since 2000-01-01."""
        return await self._translated(self._driver.execute_raw(self._raw, sql, parameters))

    async def execute_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._translated(self._driver.execute_many(self._raw, sql, parameters))

    async def _translated(self, running: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await running
        except psycopg.Error as error:
            lost = self._raw.closed or (error.sqlstate or "").startswith(("08", "57P"))
            if lost:
                raise ConnectionLost(f"the connection to {self._place} was lost: {_first_line(error)}") from error
            if (unavailable := _as_unavailable(error, self._place)) is not None:
                raise unavailable from error
            raise


class PostgresqlDatabase:
    """A `Database` on a PostgreSQL server; everything of leftfold's lives in one schema."""

    def __init__(self, url: PostgresqlUrl, driver: Driver, waiting: Waiting) -> None:
        self.url = url
        self.place = str(url)
        self._schema = url.schema
        self.pool_size = url.pool_size
        self.conninfo = url.conninfo
        self.driver = driver
        self.waiting = waiting

    @property
    def dialect(self) -> Dialect:
        return "postgresql"

    @property
    def schema(self) -> str | None:
        return self._schema

    def table(self, name: str) -> str:
        return f"{self._schema}.{name}"

    async def open(self) -> None:
        with self._reaching():
            await self.driver.open()
        async with self.connection() as connection:
            [(encoding, version)] = await connection.execute(
                "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int"
            )
        if encoding != "UTF8":
            raise NotSupported(f"{self.place} is encoded in {encoding}; leftfold needs a database in UTF8")
        if version < 140000:
            raise NotSupported(f"{self.place} runs PostgreSQL {version // 10000}; leftfold needs 14 or newer")

    def connection(self) -> AbstractAsyncContextManager[PostgresqlConnection]:
        return _Borrowed(self)

    async def take(self) -> Any:
        """A psycopg connection from the pool; `StoreUnavailable` says why there is none."""
        with self._reaching():
            return await self.driver.take()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlConnection]:
        async with self.connection() as connection:
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                yield connection
                await connection.execute("COMMIT")
            except ConnectionLost:
                raise
            except BaseException:
                with suppress(ConnectionLost):  # which has rolled back, too, and what was raised says more
                    await connection.execute("ROLLBACK")
                raise

    async def sleep(self, seconds: float) -> None:
        await self.waiting.sleep(seconds)

    def signal(self) -> Signal:
        return self.waiting.signal()

    async def close(self) -> None:
        await self.driver.close()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Says in words why no connection can be had."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"{self.place}: no connection within {self.driver.patience:.0f} seconds: the server is down, or every "
                "connection of the pool is in use"
            ) from error
        except PoolClosed as error:
            raise StoreUnavailable(f"{self.place} is closed") from error
        except psycopg.Error as error:
            raise _as_unavailable(error, self.place) or _unreachable(error, self.place) from error


class _Borrowed(AbstractAsyncContextManager[PostgresqlConnection]):
    """A connection for the length of a block. A class: it is in the way of every statement, and a generator is slow."""

    __slots__ = ("_database", "_raw")

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> PostgresqlConnection:
        self._raw = await self._database.take()
        return PostgresqlConnection(self._raw, self._database.driver, self._database.place)

    async def __aexit__(self, *error: object) -> None:
        await self._database.driver.give_back(self._raw)


def _as_unavailable(error: psycopg.Error, place: str) -> StoreUnavailable | None:
    """The error of a database that cannot be used, in words; None if it can and the statement is at fault."""
    state = error.sqlstate or ""
    for start, remedy in _UNAVAILABLE.items():
        if state.startswith(start):
            return StoreUnavailable(f"{place}: {_first_line(error)}; {remedy}")
    return None


def _unreachable(error: psycopg.Error, place: str) -> StoreUnavailable:
    text = str(error)
    if "password" in text or isinstance(error, errors.InvalidPassword):
        remedy = _UNAVAILABLE["28"]
    elif "does not exist" in text:
        remedy = "check the names of user and database in the URL"
    else:
        remedy = "is the server running, and are host and port right?"
    return StoreUnavailable(f"{place}: {_first_line(error)}; {remedy}")


def _first_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
