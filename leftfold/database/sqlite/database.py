"""SQLite: a writing connection, a few reading connections, and the standard library's driver behind both doors.

Two copies of the SQLite library in a process break each other's file locks. With the standard library's ``sqlite3``, a
user's own sqlite3 or SQLAlchemy connection to the same file uses the same copy, and is safe. The async door runs each
connection in a thread of its own, a hop for each operation.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from leftfold.database.inside import check_outside
from leftfold.database.protocol import Connection, Dialect, Row, Statement
from leftfold.database.url import SqliteUrl, Synchronous
from leftfold.doors.protocol import Executor, Signal, Waiting
from leftfold.errors import NotSupported, StoreUnavailable

Result = TypeVar("Result")

BUSY_SECONDS = 10.0
_FLUSHES: dict[Synchronous, str] = {"full": "FULL", "normal": "NORMAL"}
_READERS = 8
_OLDEST = (3, 35, 0)


class SqliteConnection:
    """A `Connection` over sqlite3. ``run`` takes a whole function to where the connection lives, in one hop."""

    def __init__(self, raw: sqlite3.Connection, executor: Executor, place: str) -> None:
        self._raw = raw
        self._executor = executor
        self._place = place

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self.run(lambda raw: raw.execute(sql, parameters).fetchall())

    async def execute_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self.run(lambda raw: raw.executemany(sql, parameters))

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        return await self.run(
            lambda raw: [
                (raw.executemany if many else raw.execute)(sql, parameters).fetchall()
                for sql, parameters, many in statements
            ]
        )

    async def run(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """``function(raw connection)``, in the connection's own thread under the async door."""
        try:
            return await self._executor.call(self._call, function)
        except sqlite3.Error as error:
            unavailable = as_unavailable(error, self._place)
            if unavailable is None:
                raise
            raise unavailable from error

    def _call(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        return function(self._raw)

    async def close(self) -> None:
        await self._executor.call(self._raw.close)
        self._executor.close()


class OwnSqliteConnection(SqliteConnection):
    """A connection that the store has opened."""

    def __del__(self) -> None:
        """Close the connection: neither the store nor a call under way refers to it any more.

        It was opened for a task that was cancelled meanwhile. Or its database is in memory, whose rows Python would
        keep until its next full garbage collection.
        """
        with suppress(sqlite3.Error):
            self._raw.close()


class SqliteDatabase:
    """A `Database` in an SQLite file, or in memory, where a single connection reads and writes.

    A file is in WAL mode, and every commit is flushed unless the URL says ``synchronous=normal``.
    """

    def __init__(self, url: SqliteUrl, waiting: Waiting) -> None:
        self.url = url
        self._path = url.path
        self._synchronous = url.synchronous
        self._place = str(url)
        self.waiting = waiting
        self._writer: SqliteConnection | None = None
        self._idle: list[SqliteConnection] = []
        self._writing = waiting.semaphore(1)
        self._reading = waiting.semaphore(_READERS)

    @property
    def dialect(self) -> Dialect:
        return "sqlite"

    @property
    def schema(self) -> str | None:
        return None

    def table(self, name: str) -> str:
        return f"leftfold_{name}"

    async def open(self) -> None:
        """Open the file, creating it if there is none; `StoreUnavailable` if that cannot be."""
        if sqlite3.sqlite_version_info < _OLDEST:
            raise NotSupported(
                f"this Python is linked with SQLite {sqlite3.sqlite_version}; leftfold needs 3.35 (2021) or newer"
            )
        self._writer = await self._connect()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return self.reader()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.writer() as connection:
            try:  # around BEGIN too: a task cancelled while it waits for it has begun all the same
                await connection.execute("BEGIN IMMEDIATE")
                yield connection
                await connection.execute("COMMIT")
            except BaseException:
                await connection.run(roll_back)
                raise

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[SqliteConnection]:
        """The connection that writes, in autocommit; other callers wait for their turn."""
        check_outside(self)
        async with self._writing:
            if self._writer is None:
                raise StoreUnavailable(f"{self._place} is closed")
            yield self._writer

    async def write(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """``function(raw connection)`` on the connection that writes: a whole transaction in one hop."""
        check_outside(self)
        async with self._writing:
            if self._writer is None:
                raise StoreUnavailable(f"{self._place} is closed")
            return await self._writer.run(function)

    def reader(self) -> AbstractAsyncContextManager[SqliteConnection]:
        """A connection for reading; in memory it is the writing connection."""
        return self.writer() if self._path is None else self._pooled()

    @asynccontextmanager
    async def _pooled(self) -> AsyncIterator[SqliteConnection]:
        async with self._reading:
            if self._writer is None:
                raise StoreUnavailable(f"{self._place} is closed")
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            finally:
                await self._keep(connection)

    async def _keep(self, connection: SqliteConnection) -> None:
        if self._writer is None:
            await connection.close()
        else:
            self._idle.append(connection)

    async def sleep(self, seconds: float) -> None:
        await self.waiting.sleep(seconds)

    def signal(self) -> Signal:
        return self.waiting.signal()

    async def close(self) -> None:
        async with self._writing:
            writer, self._writer = self._writer, None
            idle, self._idle = self._idle, []
            for connection in [*idle, *([writer] if writer else [])]:
                await connection.close()

    async def _connect(self) -> SqliteConnection:
        executor = self.waiting.executor()
        try:
            return await executor.call(self._opened, executor)
        except sqlite3.Error as error:
            executor.close()
            raise as_unavailable(error, self._place) or _unusable(error, self._place) from error

    def _opened(self, executor: Executor) -> SqliteConnection:
        return OwnSqliteConnection(_open(self._path, self._synchronous), executor, self._place)


def roll_back(raw: sqlite3.Connection) -> None:
    """End a transaction that is still there: some errors (disk full) have ended it already."""
    if raw.in_transaction:
        raw.execute("ROLLBACK")


def as_unavailable(error: sqlite3.Error, place: str) -> StoreUnavailable | None:
    """The error in words if the database cannot be used; None if the statement is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    reasons = {
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that its folder exists and may be written to",
        sqlite3.SQLITE_READONLY: "cannot be written to: check the permissions of the file and of its folder",
        sqlite3.SQLITE_NOTADB: "is not an SQLite database: check the path, or restore the file from a backup",
        sqlite3.SQLITE_CORRUPT: "is damaged: keep a copy, and restore it from a backup (sqlite3's .recover may help)",
        sqlite3.SQLITE_BUSY: f"is locked: another connection has been writing for {BUSY_SECONDS:.0f} seconds",
        sqlite3.SQLITE_LOCKED: "is locked by another connection of this process",
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
        sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an I/O error",
        sqlite3.SQLITE_PERM: "may not be accessed: check the permissions of the file and of its folder",
        sqlite3.SQLITE_PROTOCOL: "cannot be locked: too many processes open it at once; try again",
    }
    if primary not in reasons:
        return None
    return StoreUnavailable(f"{place} {reasons[primary]} ({error})")


def _unusable(error: sqlite3.Error, place: str) -> StoreUnavailable:
    return StoreUnavailable(f"{place} cannot be used: {error}")


def _open(path: str | None, synchronous: Synchronous) -> sqlite3.Connection:
    if path is not None and Path(path).is_dir():
        raise _cannot_open(f"{path} is a folder")
    raw = sqlite3.connect(
        path or ":memory:",
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        if path is not None:
            _use_wal(raw)
        raw.execute(f"PRAGMA synchronous = {_FLUSHES[synchronous]}")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except BaseException:
        raw.close()
        raise
    return raw


def _use_wal(raw: sqlite3.Connection) -> None:
    """Switch to WAL; two processes that switch a new file at once may find it locked without being made to wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _cannot_open(reason: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    return error
