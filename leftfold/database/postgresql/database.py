"""PostgreSQL: pooled connections in autocommit, and errors in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from leftfold.database.postgresql.connection import (
    REMEDIES,
    PostgresqlConnection,
    as_unavailable,
    first_line,
    in_transaction,
)
from leftfold.database.postgresql.driver import Driver, Texts
from leftfold.database.protocol import Dialect, Row, Statement
from leftfold.database.statements import execute_each
from leftfold.database.url import PostgresqlUrl
from leftfold.doors.protocol import Signal, Waiting
from leftfold.errors import NotSupported, StoreUnavailable

_MOST_USES = 1_000
_SERVER = "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int"
_ROOM = 5
"""The smallest pool beside which connections may be kept."""


class PooledConnection(PostgresqlConnection):
    """A connection of our own."""

    def __init__(self, raw: Any, driver: Driver, place: str) -> None:
        super().__init__(raw, driver, place)
        self._calls = driver
        self.uses = 0
        """How often it was handed out since it left the pool."""

    async def call(self, sql: str, parameters: Sequence[str | None]) -> Texts:
        """The single row of a statement whose parameters and columns are text; see `Driver.call`."""
        try:
            return await self._calls.call(self.raw, sql, parameters)
        except psycopg.Error as error:
            self.raise_unavailable(error)
            raise

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if len(statements) == 1 or any(statement.many for statement in statements):
            return await execute_each(self, statements)
        try:
            return await self._translated(self._calls.execute_all(self.raw, statements))
        except BaseException:  # psycopg may believe that a statement is prepared which the server has skipped
            await self._calls.discard(self.raw)
            raise


class PostgresqlDatabase:
    """A `Database` on a PostgreSQL server; all of leftfold's tables are in one schema."""

    def __init__(self, url: PostgresqlUrl, driver: Driver, waiting: Waiting) -> None:
        self.url = url
        self.place = str(url)
        self._schema = url.schema
        self.pool_size = url.pool_size
        self.conninfo = url.conninfo
        self.driver = driver
        self.waiting = waiting
        self._kept = _KeptConnections(self)

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
        self._kept.is_open = True
        try:
            await self._check_server()
        except BaseException:
            await self.close()  # so that it can be opened again
            raise

    async def _check_server(self) -> None:
        async with self.connection() as connection:
            [(encoding, version)] = await connection.execute(_SERVER)
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
        """The same for the lines of group commit, which ask again and again: connections kept beside the pool.

        The pool takes longer to hand a connection out and to take it back than Python for all the rest of a short
        append. Unlike the pool's, a kept connection is not checked: it may have died meanwhile.
        """
        return _Kept(self._kept)

    async def take(self) -> Any:
        """A psycopg connection from the pool, or a kept connection if the pool has no more; else `StoreUnavailable`."""
        if self._kept.idle and not self.driver.has_room():
            with suppress(IndexError):
                return self._kept.idle.pop().raw
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
        await self._kept.close()
        await self.driver.close()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say in words why there is no connection."""
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
            raise as_unavailable(error, self.place) or _unreachable(error, self.place) from error


class _Borrowed(AbstractAsyncContextManager[PooledConnection]):
    """A connection for the length of a block. A class, because every statement uses it and a generator is slower."""

    __slots__ = ("_database", "_raw")

    def __init__(self, database: PostgresqlDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> PooledConnection:
        self._raw = await self._database.take()
        return PooledConnection(self._raw, self._database.driver, self._database.place)

    async def __aexit__(self, *error: object) -> None:
        await self._database.driver.give_back(self._raw)


class _KeptConnections:
    """The connections that are kept beside the pool.

    Kept connections count among the pool's ``max_size``. When the pool has no more, `take` hands them out.
    """

    def __init__(self, database: PostgresqlDatabase) -> None:
        self.database = database
        self.idle: list[PooledConnection] = []
        self.most_uses = _MOST_USES if database.pool_size >= _ROOM else 1
        """After so many uses the pool gets a connection back, and may close it for its age."""
        self.is_open = False

    async def close(self) -> None:
        """Give back the kept connections; those in use follow when they come back."""
        self.is_open = False
        with suppress(IndexError):
            while True:
                await self.database.driver.give_back(self.idle.pop().raw)


class _Kept(AbstractAsyncContextManager[PooledConnection]):
    """A kept connection for the length of a block; after an error it goes back to the pool, which checks it."""

    __slots__ = ("_connection", "_kept")

    def __init__(self, kept: _KeptConnections) -> None:
        self._kept = kept

    async def __aenter__(self) -> PooledConnection:
        try:
            connection = self._kept.idle.pop()
        except IndexError:
            database = self._kept.database
            connection = PooledConnection(await database.take(), database.driver, database.place)
        self._connection = connection
        connection.uses += 1
        return connection

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        kept, connection = self._kept, self._connection
        if kind is not None or connection.uses >= kept.most_uses:
            await kept.database.driver.give_back(connection.raw)
            return
        kept.idle.append(connection)
        if not kept.is_open:  # the store was closed while the connection was in use
            await kept.close()


def _unreachable(error: psycopg.Error, place: str) -> StoreUnavailable:
    text = str(error)
    if "password" in text or isinstance(error, errors.InvalidPassword):
        remedy = REMEDIES["28"]
    elif "does not exist" in text:
        remedy = "check the names of user and database in the URL"
    else:
        remedy = "is the server running, and are host and port right?"
    return StoreUnavailable(f"{place}: {first_line(error)}; {remedy}")
