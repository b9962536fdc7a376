"""PostgreSQL: pooled connections in autocommit, explicit READ COMMITTED transactions, and errors in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolClosed, PoolTimeout

from leftfold.database.protocol import Dialect, Row, Signal, Statement
from leftfold.database.psycopg_drivers import Driver, Statements, Texts, forget_prepared
from leftfold.database.statements import execute_each
from leftfold.database.url import PostgresqlUrl
from leftfold.database.waiting import Waiting
from leftfold.errors import NotSupported, StoreUnavailable

Result = TypeVar("Result")

BEGIN = Statement("BEGIN ISOLATION LEVEL READ COMMITTED")
COMMIT = Statement("COMMIT")

_UNAVAILABLE = {
    "28": "check the user and the password",
    "3D": "create the database, or correct its name in the URL",
    "42501": "grant the user CREATE on the database and ALL on the schema, or migrate as its owner",
    "25006": "the server is a standby, or the transaction is read only: connect to the primary, or let it write",
    "53": "the server is out of disk, memory or connections",
    "55P03": "a lock_timeout is set, and ran out",
    "57014": "the statement was cancelled, or a statement_timeout ran out",
}


_MOST_USES = 1_000
_ROOM = 5
"""The size of a pool from which some may be kept."""


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
        # A prepared statement meets another table of the same name, with columns of other types: it is prepared anew.
        await self._translated(self._driver.execute(self.raw, "DEALLOCATE ALL", ()))
        forget_prepared(self.raw)
        return await self._translated(self._driver.execute(self.raw, sql, parameters))

    def _is_outside(self) -> bool:
        """Whether it is in no transaction, which the failure would have ended."""
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
            lost = self.raw.closed or (error.sqlstate or "").startswith(("08", "57P"))
            if lost:
                raise ConnectionLost(f"the connection to {self._place} was lost: {_first_line(error)}") from error
            if (unavailable := _as_unavailable(error, self._place)) is not None:
                raise unavailable from error
            raise


class PooledConnection(PostgresqlConnection):
    """A connection of our own."""

    def __init__(self, raw: Any, driver: Driver, place: str) -> None:
        super().__init__(raw, driver, place)
        self._calls = driver
        self.uses = 0
        """How often it has been kept."""

    async def call(self, sql: str, parameters: Sequence[str | None]) -> Texts:
        """The one row of a statement whose parameters and columns are text; see `Driver.call`."""
        return await self._translated(self._calls.call(self.raw, sql, parameters))

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if len(statements) == 1 or any(one.many for one in statements):
            return await execute_each(self, statements)
        return await self._translated(self._calls.execute_all(self.raw, statements))


@asynccontextmanager
async def in_transaction(connection: PostgresqlConnection) -> AsyncIterator[None]:
    """READ COMMITTED; committed on a clean exit."""
    async with rolled_back(connection):
        await connection.execute(*BEGIN[:2])
        yield
        await connection.execute(*COMMIT[:2])


@asynccontextmanager
async def rolled_back(connection: PostgresqlConnection) -> AsyncIterator[None]:
    """A transaction that is begun and committed inside, and undone by whatever is raised there."""
    try:
        yield
    except ConnectionLost:
        raise
    except BaseException:
        with suppress(ConnectionLost):  # which has rolled back, too, and what was raised says more
            await connection.execute("ROLLBACK")
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
        self._kept: list[PooledConnection] = []
        self._is_open = False

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
        self._is_open = True
        async with self.connection() as connection:
            [(encoding, version)] = await connection.execute(
                "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int"
            )
        if encoding != "UTF8":
            raise NotSupported(f"{self.place} is encoded in {encoding}; leftfold needs a database in UTF8")
        if version < 140000:
            raise NotSupported(f"{self.place} runs PostgreSQL {version // 10000}; leftfold needs 14 or newer")

    def connection(self) -> AbstractAsyncContextManager[PostgresqlConnection]:
        return self.pooled()

    def pooled(self) -> AbstractAsyncContextManager[PooledConnection]:
        """A connection from the pool, and back."""
        return _Borrowed(self)

    def kept(self) -> AbstractAsyncContextManager[PooledConnection]:
        """The same for whoever asks again and again, few at a time: kept beside the pool, which takes longer to hand a
        connection out and to take it back than Python for all the rest of a short append. It may have died meanwhile.
        """
        return _Kept(self)

    async def take(self) -> Any:
        """A psycopg connection from the pool; `StoreUnavailable` says why there is none."""
        with self._reaching():
            return await self.driver.take()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlConnection]:
        async with self.connection() as connection, in_transaction(connection):
            yield connection

    async def sleep(self, seconds: float) -> None:
        await self.waiting.sleep(seconds)

    def signal(self) -> Signal:
        return self.waiting.signal()

    async def close(self) -> None:
        self._is_open = False
        await self._let_go()
        await self.driver.close()

    async def take_kept(self) -> PooledConnection:
        """One that is kept, or else one of the pool's."""
        try:
            return self._kept.pop()
        except IndexError:
            return PooledConnection(await self.take(), self.driver, self.place)

    async def keep(self, connection: PooledConnection) -> None:
        """Until it has been used so often that the pool should see it, which knows its age, or until the end."""
        connection.uses += 1
        if connection.uses == _MOST_USES or self.pool_size < _ROOM:
            await self.driver.give_back(connection.raw)
            return
        self._kept.append(connection)
        if not self._is_open:  # closed in between
            await self._let_go()

    async def _let_go(self) -> None:
        with suppress(IndexError):
            while True:
                await self.driver.give_back(self._kept.pop().raw)

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


class _Borrowed(AbstractAsyncContextManager[PooledConnection]):
    """A connection for the length of a block. A class: it is in the way of every statement, and a generator is slow."""

    __slots__ = ("_database", "_raw")

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> PooledConnection:
        self._raw = await self._database.take()
        return PooledConnection(self._raw, self._database.driver, self._database.place)

    async def __aexit__(self, *error: object) -> None:
        await self._database.driver.give_back(self._raw)


class _Kept(AbstractAsyncContextManager[PooledConnection]):
    """A kept connection for the length of a block; after an error it is the pool's to judge."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> PooledConnection:
        self._connection = await self._database.take_kept()
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            await self._database.keep(self._connection)
        else:
            await self._database.driver.give_back(self._connection.raw)


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
