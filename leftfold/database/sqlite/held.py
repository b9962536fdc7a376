"""The SQLite file through a connection that a user holds, inside a transaction that is theirs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from os.path import samefile
from typing import Any, TypeVar

from leftfold.database.held import Held, ended_inside, in_the_drivers_words
from leftfold.database.protocol import Connection, Row
from leftfold.database.sqlite.database import SqliteConnection, SqliteDatabase
from leftfold.database.user_connections import check_kind, driver_connection, is_one_of, not_in_transaction, wrong_kind
from leftfold.doors.blocking import BlockingExecutor, BlockingWaiting
from leftfold.doors.protocol import Executor
from leftfold.errors import InvalidArgument, InvalidState, StoreUnavailable, TransactionConflict

Result = TypeVar("Result")

_savepoints = count(1)
_LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, since Python 3.12


class HeldSqliteConnection(SqliteConnection):
    """A `Connection` whose transaction cannot be repeated here: collisions are the user's to retry."""

    async def run(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        def plainly(raw: sqlite3.Connection) -> Result:
            rows, texts = raw.row_factory, raw.text_factory
            raw.row_factory, raw.text_factory = None, str  # the user's factories are for the user's rows
            try:
                return function(raw)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if raw.in_transaction:
                    raise TransactionConflict(
                        f"this transaction began by reading, and another connection has written since ({error}): roll "
                        "it back and run it again; a transaction with BEGIN IMMEDIATE waits for its turn instead"
                    ) from error
                raise StoreUnavailable(
                    f"{self._place} is locked: another connection is in a transaction that writes, and did not end it "
                    f"within this connection's timeout ({error})"
                ) from error
            finally:
                raw.row_factory, raw.text_factory = rows, texts

        return await super().run(plainly)


class HeldSqliteDatabase(SqliteDatabase, Held):
    """The user's connection; before each use it is checked for being open and in a transaction."""

    def __init__(self, database: SqliteDatabase, held: Any) -> None:
        super().__init__(database.url, database.waiting)
        Held.__init__(self)
        self._held = held
        self._blocking = isinstance(database.waiting, BlockingWaiting)
        self._in_order = _InOrder(self)
        self._checked = False
        if not isinstance(held, SqliteConnection):
            check_kind(held, "sqlite", blocking=self._blocking)

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        try:
            return await (await self._connection()).execute(sql, parameters)
        except StoreUnavailable as unavailable:
            raise in_the_drivers_words(unavailable) from None

    async def check_committable(self) -> None:
        """SQLite goes on after most errors: a failed statement has been undone alone."""
        await self._connection()

    def failure_of_commit(self, error: Exception) -> Exception:
        return error

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        return self.writer()

    def reader(self) -> AbstractAsyncContextManager[SqliteConnection]:
        return self.writer()

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[SqliteConnection]:
        yield await self._connection()

    async def write(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        """``function(raw connection)``, in one hop; it makes a savepoint (`in_savepoint`), not a transaction."""
        return await (await self._connection()).run(function)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A savepoint: if the block fails, it alone is undone."""
        name = f"leftfold_{next(_savepoints)}"
        connection = await self._connection()
        await connection.run(begin)
        try:  # around SAVEPOINT too: a task cancelled while it waits for it has made it all the same
            await connection.execute(f"SAVEPOINT {name}")
            yield connection
            await connection.execute(f"RELEASE {name}")
        except BaseException:
            with suppress(InvalidState):  # ended meanwhile: the error under way says more
                await connection.run(lambda raw: undo(raw, name))
            raise

    async def _connection(self) -> SqliteConnection:
        self.check_open()
        if isinstance(self._held, SqliteConnection):  # of `store.transaction()`, so our own
            if not self._held._raw.in_transaction:
                raise ended_inside()
            executor = self._in_order if self._blocking else self._held._executor
            return HeldSqliteConnection(self._held._raw, executor, str(self.url))
        if self.url.path is None:
            raise InvalidArgument(
                "a store in memory has one connection, which is its own: use `with store.transaction() as tx`"
            )
        raw, executor = self._driven(await driver_connection(self._held))
        if not _in_transaction(raw) and not _begins(raw):
            raise not_in_transaction(self._held, 'execute("BEGIN IMMEDIATE") before it')
        connection = HeldSqliteConnection(raw, executor, str(self.url))
        if not self._checked:
            [(_, _, path), *_] = await connection.execute("PRAGMA database_list")
            self._checked = _same_file(path, self.url.path)
            if not self._checked:
                raise InvalidArgument(
                    f"this connection leads to {path or 'a database in memory'}, and the store is {self.url}: pass a "
                    "connection to the store's own file"
                )
        return connection

    def _driven(self, held: Any) -> tuple[sqlite3.Connection, Executor]:
        """The raw connection, and the executor of its calls."""
        if self._blocking and isinstance(held, sqlite3.Connection):
            return held, self._in_order
        if not self._blocking and is_one_of(held, "aiosqlite", "Connection"):
            try:
                return held._conn, _AiosqliteExecutor(held)
            except ValueError as error:
                raise InvalidState(
                    f"this aiosqlite connection is not open ({error}): pass an open connection in a transaction"
                ) from error
        raise wrong_kind(held, "sqlite", blocking=self._blocking)


class _InOrder(BlockingExecutor):
    """Runs calls in the calling thread, one at a time: each is a savepoint, and savepoints must not interleave."""

    def __init__(self, held: Held) -> None:
        self._call = held.call

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        with self._call():
            return function(*arguments)


def _same_file(path: str, other: str) -> bool:
    try:
        return samefile(path, other)
    except OSError:  # no such file: in memory, or deleted
        return False


class _AiosqliteExecutor:
    """The thread of an aiosqlite connection: a whole append goes there in one hop, as aiosqlite's own calls do."""

    def __init__(self, connection: Any) -> None:
        self._execute = connection._execute

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        result: Result = await self._execute(function, *arguments)
        return result

    def close(self) -> None:
        return


def begin(raw: sqlite3.Connection) -> None:
    """Begin as Python's sqlite3 does before a write, but IMMEDIATE: it waits for the lock here, not in the middle."""
    if not raw.in_transaction:
        raw.execute("BEGIN IMMEDIATE")


def in_savepoint(raw: sqlite3.Connection, function: Callable[[], Result]) -> Result:
    """If the function fails, its writes alone are undone, and the transaction goes on."""
    name = f"leftfold_{next(_savepoints)}"
    begin(raw)
    raw.execute(f"SAVEPOINT {name}")
    try:
        result = function()
    except BaseException:
        undo(raw, name)
        raise
    raw.execute(f"RELEASE {name}")
    return result


def undo(raw: sqlite3.Connection, name: str) -> None:
    """Back to a savepoint, if the transaction is still there: some errors (disk full) have ended it."""
    if raw.in_transaction:
        with suppress(sqlite3.OperationalError):  # no such savepoint: it was never made
            raw.execute(f"ROLLBACK TO {name}")
            raw.execute(f"RELEASE {name}")


def _in_transaction(raw: sqlite3.Connection) -> bool:
    try:
        return raw.in_transaction
    except sqlite3.ProgrammingError as error:
        raise InvalidState("this connection is closed: pass an open connection in a transaction") from error


def _begins(raw: sqlite3.Connection) -> bool:
    """Whether the connection begins transactions by itself, for a commit() of the user's to end."""
    control = getattr(raw, "autocommit", _LEGACY)
    return raw.isolation_level is not None if control == _LEGACY else not control
