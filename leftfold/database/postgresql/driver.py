"""psycopg 3 behind both doors: the same calls, blocking or awaited. Imported only when PostgreSQL is asked for."""

from __future__ import annotations

import re
import select
from collections.abc import Generator, Sequence
from functools import cache
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors, generators
from psycopg.pq import ExecStatus
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from leftfold.database.postgresql.pool import async_starting_with, starting_with
from leftfold.database.protocol import Row, Statement

CONNECT_SECONDS = 10.0
Texts = list[bytes | None]
_prepared: WeakKeyDictionary[Any, dict[str, bytes]] = WeakKeyDictionary()
"""The names of the statements that `call` has prepared on a connection."""
_names = count()
"""Names are never used twice: an interrupted `call` may have prepared its statement or not."""


class Statements(Protocol):
    """How to run a statement on a psycopg connection."""

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """Run one statement, in text format."""

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """Run one statement, in binary format: uuid and json as bytes, timestamptz as microseconds since 2000."""

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each set of parameters."""


class Driver(Statements, Protocol):
    """A pool of psycopg connections in autocommit, and how to run statements on them."""

    patience: float
    """Seconds to wait for a connection."""

    async def open(self) -> None:
        """Make the first connection at once, so that an error is raised now, and is psycopg's own."""

    async def take(self) -> Any:
        """A connection that is alive, as far as this can be told without a round trip."""

    async def give_back(self, connection: Any) -> None:
        """Return a connection; the pool replaces it if it is broken."""

    def has_room(self) -> bool:
        """Whether `take` need not wait for a connection to be given back."""

    async def discard(self, connection: Any) -> None:
        """Close a connection; it is to be given back nevertheless."""

    async def call(self, connection: Any, sql: str, parameters: Sequence[str | None]) -> Texts:
        """The single row of a statement whose parameters and columns are text, straight through libpq.

        A cursor converts each value by its type, which takes as long as all the rest of a short append in Python.
        """

    async def execute_all(self, connection: Any, statements: Sequence[Statement]) -> list[list[Row]]:
        """Statements in one round trip (libpq's pipeline mode); after a failure, the rest are not run."""

    async def close(self) -> None:
        """Close the pool."""


class BlockingDriver:
    """For the sync door; never suspends."""

    def __init__(self, conninfo: str, size: int, patience: float = CONNECT_SECONDS) -> None:
        self._conninfo = conninfo
        self.patience = patience
        self._options = _options(patience)
        self._size = size
        self._pool: Any = None

    async def open(self) -> None:
        first = psycopg.connect(self._conninfo, **self._options)
        try:
            self._pool = ConnectionPool(
                self._conninfo, connection_class=starting_with(first), min_size=1, max_size=self._size, open=False,
                kwargs=self._options, check=self._check, timeout=self.patience,
            )  # fmt: skip
            self._pool.open(wait=True, timeout=self.patience)
        except BaseException:
            first.close()
            await self.close()
            raise

    async def take(self) -> Any:
        return _opened(self._pool).getconn()

    async def give_back(self, connection: Any) -> None:
        self._pool.putconn(connection)

    def has_room(self) -> bool:
        return _has_room(self._pool)

    async def discard(self, connection: Any) -> None:
        connection.close()

    async def call(self, connection: Any, sql: str, parameters: Sequence[str | None]) -> Texts:
        texts: Texts = connection.wait(_calling(connection, sql, parameters))
        return texts

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = connection.execute(sql, parameters or None)
        return cursor.fetchall() if has_rows(cursor) else []

    async def execute_all(self, connection: Any, statements: Sequence[Statement]) -> list[list[Row]]:
        with connection.pipeline():
            cursors = [connection.execute(sql, parameters or None) for sql, parameters, _ in statements]
        return [cursor.fetchall() if has_rows(cursor) else [] for cursor in cursors]

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = read_raw(connection.cursor(binary=True))
        rows: list[Row] = cursor.execute(sql, parameters).fetchall()
        return rows

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        connection.cursor().executemany(sql, parameters)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    @staticmethod
    def _check(connection: psycopg.Connection[Any]) -> None:
        if _has_news(connection):
            connection.execute("SELECT 1")


class AsyncDriver:
    """For the async door."""

    def __init__(self, conninfo: str, size: int, patience: float = CONNECT_SECONDS) -> None:
        self._conninfo = conninfo
        self._options = _options(patience)
        self.patience = patience
        self._size = size
        self._pool: Any = None

    async def open(self) -> None:
        first = await psycopg.AsyncConnection.connect(self._conninfo, **self._options)
        try:
            self._pool = AsyncConnectionPool(
                self._conninfo, connection_class=async_starting_with(first), min_size=1, max_size=self._size,
                open=False, kwargs=self._options, check=self._check, timeout=self.patience,
            )  # fmt: skip
            await self._pool.open(wait=True, timeout=self.patience)
        except BaseException:
            await first.close()
            await self.close()
            raise

    async def take(self) -> Any:
        return await _opened(self._pool).getconn()

    async def give_back(self, connection: Any) -> None:
        await self._pool.putconn(connection)

    def has_room(self) -> bool:
        return _has_room(self._pool)

    async def discard(self, connection: Any) -> None:
        await connection.close()

    async def call(self, connection: Any, sql: str, parameters: Sequence[str | None]) -> Texts:
        texts: Texts = await connection.wait(_calling(connection, sql, parameters))
        return texts

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = await connection.execute(sql, parameters or None)
        return await cursor.fetchall() if has_rows(cursor) else []

    async def execute_all(self, connection: Any, statements: Sequence[Statement]) -> list[list[Row]]:
        async with connection.pipeline():
            cursors = [await connection.execute(sql, parameters or None) for sql, parameters, _ in statements]
        return [await cursor.fetchall() if has_rows(cursor) else [] for cursor in cursors]

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = read_raw(connection.cursor(binary=True))
        await cursor.execute(sql, parameters)
        rows: list[Row] = await cursor.fetchall()
        return rows

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await connection.cursor().executemany(sql, parameters)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    @staticmethod
    async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
        if _has_news(connection):
            await connection.execute("SELECT 1")


def _opened(pool: Any) -> Any:
    if pool is None:
        raise psycopg.OperationalError("it is not open: use `async with`, or `await store.open()` first")
    return pool


def _calling(connection: Any, sql: str, parameters: Sequence[str | None]) -> Generator[Any, Any, Texts]:
    """The steps of `call`, for psycopg's `Connection.wait`: it waits as its door does, and cancels on an interrupt.

    A statement is prepared at its first call on a connection. It may be gone at the next call: psycopg sends
    DEALLOCATE ALL after a ROLLBACK, for example of an append that an inline projection refused. Then the server does
    not know the name, runs nothing, and the statement is prepared once more.
    """
    pgconn = connection.pgconn
    encoded = [None if text is None else _encoded(text) for text in parameters]
    prepared = _prepared.setdefault(connection, {})
    while True:
        known = sql in prepared
        if not known:
            name = f"leftfold_{next(_names)}".encode()
            pgconn.send_prepare(name, _numbered(sql))
            _checked((yield from generators.execute(pgconn)))
            prepared[sql] = name
        pgconn.send_query_prepared(prepared[sql], encoded)
        try:
            result = _checked((yield from generators.execute(pgconn)))
        except errors.InvalidSqlStatementName:
            prepared.clear()  # DEALLOCATE ALL took the others, too
            if not known:  # prepared just now, and unknown: it would go round for ever
                raise
        else:
            return [result.get_value(0, column) for column in range(result.nfields)]


def _encoded(text: str) -> bytes:
    """For libpq, which reads up to the first NUL: a text with a NUL is refused, not cut short."""
    encoded = text.encode()
    if b"\0" in encoded:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return encoded


def _checked(results: Sequence[Any]) -> Any:
    result = results[-1]
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise errors.error_from_result(result)
    return result


@cache
def _numbered(sql: str) -> bytes:
    """With the server's own marks for parameters: $1, $2."""
    numbers = count(1)
    return re.sub("%s", lambda _: f"${next(numbers)}", sql).encode()


def _options(patience: float) -> dict[str, Any]:
    """libpq takes whole seconds, from 2. UTF-8, whatever PGCLIENTENCODING says: JSON is read in binary, in the client's
    encoding, and must come back as it was sent."""
    return {
        "autocommit": True,
        "application_name": "leftfold",
        "connect_timeout": max(2, int(patience)),
        "client_encoding": "UTF8",
    }


def _has_room(pool: ConnectionPool[Any] | AsyncConnectionPool[Any]) -> bool:
    stats = pool.get_stats()
    return stats.get("pool_available", 0) > 0 or stats["pool_size"] < stats["pool_max"]


def _has_news(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether an idle connection has something to read; it has when the server is gone. Costs no round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def has_rows(cursor: Any) -> bool:
    """Whether a statement returned a table, empty or not. (``description`` says so, too, but builds a list.)"""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


def read_raw(cursor: Any) -> Any:
    """The same cursor with loaders that run in C and make no UUIDs, dicts and datetimes, which may not be needed."""
    cursor.adapters.register_loader("uuid", ByteaBinaryLoader)
    cursor.adapters.register_loader("json", ByteaBinaryLoader)
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
    return cursor
