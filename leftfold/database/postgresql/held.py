"""The PostgreSQL database through a connection that a user holds, inside a transaction that is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import Format, PipelineStatus, TransactionStatus
from psycopg.rows import tuple_row

from leftfold.database.held import Held, ended_inside, in_the_drivers_words
from leftfold.database.postgresql.connection import ConnectionLost, PostgresqlConnection
from leftfold.database.postgresql.database import PostgresqlDatabase
from leftfold.database.postgresql.driver import BlockingDriver, Statements, has_rows, read_raw
from leftfold.database.protocol import Row
from leftfold.database.statements import statement
from leftfold.database.user_connections import check_kind, driver_connection, not_in_transaction, wrong_kind
from leftfold.errors import InvalidArgument, InvalidState, LeftfoldError, StoreUnavailable, TransactionConflict

Result = TypeVar("Result")

_CONFLICTS = ("40001", "40P01")  # serialization_failure, deadlock_detected
_savepoints = count(1)
_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""Connections, and the stores to whose databases they were seen to lead. That never changes for a connection."""
_statement = partial(statement, "leftfold.database.postgresql")


class HeldPostgresqlConnection(PostgresqlConnection):
    """A `Connection` whose transaction cannot be repeated here: collisions are the user's to retry."""

    async def execute_own(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """A statement of the user's: the driver's own errors, but for those that end the transaction."""
        try:
            return await self.execute(sql, parameters)
        except ConnectionLost:
            raise
        except StoreUnavailable as unavailable:
            raise in_the_drivers_words(unavailable) from None

    async def _translated(self, running: Coroutine[Any, Any, Result]) -> Result:
        try:
            return await super()._translated(running)
        except ConnectionLost as lost:
            raise ConnectionLost(f"{lost}; the server rolls back what was open: run the transaction again") from lost
        except psycopg.errors.InFailedSqlTransaction as error:
            raise _failed() from error
        except psycopg.Error as error:
            if error.sqlstate not in _CONFLICTS:
                raise
            raise _conflict(error) from error


class HeldPostgresqlDatabase(PostgresqlDatabase, Held):
    """The user's connection; before each use it is checked for being open, in a transaction and not failed."""

    def __init__(self, database: PostgresqlDatabase, held: Any) -> None:
        super().__init__(database.url, database.driver, database.waiting)
        Held.__init__(self)
        self._own = database
        self._held = held
        self._blocking = isinstance(database.driver, BlockingDriver)
        if not isinstance(held, PostgresqlConnection):
            check_kind(held, "postgresql", blocking=self._blocking)
        self._statements: Statements = _Blocking(self) if self._blocking else _Async()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    def connection(self) -> AbstractAsyncContextManager[HeldPostgresqlConnection]:
        return self._used()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlConnection]:
        """A savepoint: if the block fails, it alone is undone."""
        name = f"leftfold_{next(_savepoints)}"
        async with self._used() as connection:
            await connection.execute(f"SAVEPOINT {name}")
            try:
                yield connection
                await connection.execute(f"RELEASE SAVEPOINT {name}")
            except ConnectionLost:
                raise
            except BaseException:
                with suppress(LeftfoldError, psycopg.Error):  # lost, or ended inside: the error under way says more
                    await connection.execute(f"ROLLBACK TO SAVEPOINT {name}")
                    await connection.execute(f"RELEASE SAVEPOINT {name}")
                raise

    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        async with self._used() as connection:
            return await connection.execute_own(sql, parameters)

    async def check_committable(self) -> None:
        """PostgreSQL answers COMMIT with no error where nothing is committed: in a failed transaction, and in none."""
        raw = await self._raw()
        if raw.closed:
            raise ConnectionLost(
                f"the connection to {self.place} was lost inside this transaction, and the server has rolled it back: "
                "run it again"
            )
        if raw.info.transaction_status == TransactionStatus.INERROR:
            raise _failed()
        if raw.info.transaction_status == TransactionStatus.IDLE:
            raise ended_inside()

    def failure_of_commit(self, error: Exception) -> Exception:
        if isinstance(error, ConnectionLost):
            return ConnectionLost(
                f"{error}. That was during COMMIT, so it may or may not be committed: run the transaction again with "
                "the same NewEvent objects; where an append then says `duplicate`, it was"
            )
        if isinstance(error, psycopg.Error) and error.sqlstate in _CONFLICTS:
            return _conflict(error)
        return error

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[HeldPostgresqlConnection]:
        raw = await self._raw()
        status = raw.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise _failed()
        if raw.autocommit and status == TransactionStatus.IDLE:
            if isinstance(self._held, PostgresqlConnection):
                raise ended_inside()
            block = "with" if self._blocking else "async with"
            raise not_in_transaction(self._held, f"use `{block} connection.transaction():` around it")
        connection = HeldPostgresqlConnection(raw, self._statements, self.place)
        if not isinstance(self._held, PostgresqlConnection) and self.place not in _known.get(raw, ()):
            await self._check_place(raw, connection)
            _known.setdefault(raw, set()).add(self.place)
        yield connection

    async def _raw(self) -> Any:
        self.check_open()
        if isinstance(self._held, PostgresqlConnection):  # of `store.transaction()`, so our own
            return self._held.raw
        raw = await driver_connection(self._held)
        if not isinstance(raw, psycopg.Connection if self._blocking else psycopg.AsyncConnection):
            raise wrong_kind(raw, "postgresql", blocking=self._blocking)
        if raw.closed:
            raise InvalidState("this connection is closed: pass an open connection in a transaction")
        if raw.pgconn.pipeline_status != PipelineStatus.OFF:
            raise InvalidState("this connection is in pipeline mode, where answers come late: use it outside of that")
        return raw

    async def _check_place(self, raw: Any, connection: PostgresqlConnection) -> None:
        """`InvalidArgument` unless it leads to the store's own database, in UTF-8.

        It compares the oids of database and table, and the store's identity. A physical copy of the cluster shares them
        all until it is given another identity.
        """
        if raw.info.encoding != "utf-8":
            raise InvalidArgument(
                f"this connection's client_encoding is {raw.info.parameter_status('client_encoding')}, in which events "
                "would not come back as they are: use UTF8"
            )
        async with self._own.connection() as own:
            [ours] = await own.execute(_statement("place"), (self.table("events"),))
            identity = await own.execute(_statement("identity", self.url.schema))
        [theirs] = await connection.execute(_statement("place"), (self.table("events"),))
        if theirs != ours or await connection.execute(_statement("identity", self.url.schema)) != identity:
            raise InvalidArgument(
                f"this connection leads to the database {theirs[2]!r}, and the store is {self.place}: pass a "
                "connection to the store's own database, or connect the store to the connection's"
            )


class _Blocking:
    """Statements with cursors of our own: the connection may have another row factory or class of cursors."""

    def __init__(self, held: Held) -> None:
        self._call = held.call

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        with self._call():
            cursor.execute(sql, parameters or None)
        return cursor.fetchall() if has_rows(cursor) else []

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = read_raw(psycopg.Cursor(connection, row_factory=tuple_row))
        cursor.format = Format.BINARY
        with self._call():
            rows: list[Row] = cursor.execute(sql, parameters).fetchall()
        return rows

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        with self._call():
            psycopg.Cursor(connection).executemany(sql, parameters)


class _Async:
    """The same for asyncio."""

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
        await cursor.execute(sql, parameters or None)
        return await cursor.fetchall() if has_rows(cursor) else []

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = read_raw(psycopg.AsyncCursor(connection, row_factory=tuple_row))
        cursor.format = Format.BINARY
        await cursor.execute(sql, parameters)
        rows: list[Row] = await cursor.fetchall()
        return rows

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await psycopg.AsyncCursor(connection).executemany(sql, parameters)


def _conflict(error: psycopg.Error) -> TransactionConflict:
    return TransactionConflict(
        f"this transaction collided with another ({str(error).splitlines()[0]}): roll it back and run all of it again"
    )


def _failed() -> InvalidState:
    return InvalidState(
        "an earlier statement of this transaction failed, and PostgreSQL takes nothing more from it: roll it back and "
        "run it again. To go on after an error, put what may fail into a savepoint (`with tx.savepoint():`)"
    )
