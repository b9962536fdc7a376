"""The PostgreSQL database through a connection that a user holds, inside a transaction that is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import tuple_row

from leftfold.database.held import Held, check_kind, driver_connection, not_in_transaction, wrong_kind
from leftfold.database.postgresql import ConnectionLost, PostgresqlConnection, PostgresqlDatabase
from leftfold.database.protocol import Row
from leftfold.database.psycopg_drivers import BlockingDriver, Statements, has_rows, read_raw
from leftfold.errors import InvalidArgument, TransactionConflict

Result = TypeVar("Result")

_CONFLICTS = ("40001", "40P01")  # serialization_failure, deadlock_detected
_savepoints = count(1)
_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""Connections, and the stores to whose databases they were seen to lead; where one leads never changes."""

_PLACE = (
    "SELECT d.oid::bigint, to_regclass(%s)::oid::bigint, d.datname::text FROM pg_database d "
    "WHERE d.datname = current_database()"
)


class HeldPostgresqlConnection(PostgresqlConnection):
    """A `Connection` whose transaction cannot be repeated here: collisions are the user's to retry."""

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
            raise TransactionConflict(
                f"this transaction collided with another one ({str(error).splitlines()[0]}): roll it back and run all "
                "of it again"
            ) from error


class HeldPostgresqlDatabase(PostgresqlDatabase, Held):
    """One connection, asked before each use whether it still is what a transaction of the user's must be."""

    def __init__(self, database: PostgresqlDatabase, held: Any) -> None:
        super().__init__(database.url, database.driver, database.waiting)
        self._own = database
        self._held = held
        self._identity = f"SELECT store FROM {database.table('epochs')} ORDER BY epoch DESC LIMIT 1"
        self._blocking = isinstance(database.driver, BlockingDriver)
        if not isinstance(held, PostgresqlConnection):
            check_kind(held, "postgresql", blocking=self._blocking)
        self._statements: Statements = _Blocking() if self._blocking else _Async()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    def connection(self) -> AbstractAsyncContextManager[PostgresqlConnection]:
        return self._used()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlConnection]:
        """A savepoint: what happens inside is undone alone if it fails."""
        name = f"leftfold_{next(_savepoints)}"
        async with self._used() as connection:
            await connection.execute(f"SAVEPOINT {name}")
            try:
                yield connection
                await connection.execute(f"RELEASE SAVEPOINT {name}")
            except ConnectionLost:
                raise
            except BaseException:
                await connection.execute(f"ROLLBACK TO SAVEPOINT {name}")
                await connection.execute(f"RELEASE SAVEPOINT {name}")
                raise

    async def check_committable(self) -> None:
        """PostgreSQL answers COMMIT of a failed transaction with a ROLLBACK and no error."""
        if (await self._raw()).info.transaction_status == TransactionStatus.INERROR:
            raise _failed()

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[PostgresqlConnection]:
        raw = await self._raw()
        status = raw.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise _failed()
        if raw.autocommit and status == TransactionStatus.IDLE:
            raise not_in_transaction("use `with connection.transaction():` around it")
        connection = HeldPostgresqlConnection(raw, self._statements, self.place)
        if not isinstance(self._held, PostgresqlConnection) and self.place not in _known.get(raw, ()):
            await self._check_place(raw, connection)
            _known.setdefault(raw, set()).add(self.place)
        yield connection

    async def _raw(self) -> Any:
        self.check_open()
        if isinstance(self._held, PostgresqlConnection):  # of `store.transaction()`, so our own
            return self._held._raw
        raw = await driver_connection(self._held)
        if not isinstance(raw, psycopg.Connection if self._blocking else psycopg.AsyncConnection):
            raise wrong_kind(raw, "postgresql", blocking=self._blocking)
        if raw.closed:
            raise InvalidArgument("this connection is closed: pass one that is open and in a transaction")
        return raw

    async def _check_place(self, raw: Any, connection: PostgresqlConnection) -> None:
        """That it leads to the store's own database, and carries text as it is.

        Compared are the oids of database and table, and the store's identity, which a physical copy of the cluster
        shares until it is given another.
        """
        if raw.info.encoding != "utf-8":
            raise InvalidArgument(
                f"this connection's client_encoding is {raw.info.parameter_status('client_encoding')}, in which events "
                "would not come back as they are: use UTF8"
            )
        async with self._own.connection() as own:
            [ours] = await own.execute(_PLACE, (self.table("events"),))
            identity = await own.execute(self._identity)
        [theirs] = await connection.execute(_PLACE, (self.table("events"),))
        if theirs != ours or await connection.execute(self._identity) != identity:
            raise InvalidArgument(
                f"this connection leads to the database {theirs[2]!r}, and the store is {self.place}: pass a "
                "connection to the store's own database, or connect the store to the connection's"
            )


class _Blocking:
    """Statements on a connection whose row factory and cursors may be of any kind."""

    async def execute(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if has_rows(cursor) else []

    async def execute_raw(self, connection: Any, sql: str, parameters: Sequence[Any]) -> list[Row]:
        cursor = read_raw(psycopg.Cursor(connection, row_factory=tuple_row))
        cursor.format = Format.BINARY
        rows: list[Row] = cursor.execute(sql, parameters).fetchall()
        return rows

    async def execute_many(self, connection: Any, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
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


def _failed() -> InvalidArgument:
    return InvalidArgument(
        "an earlier statement of this transaction failed, and PostgreSQL takes nothing more from it: roll it back and "
        "run it again. To go on after an error, put what may fail into a savepoint (`with tx.savepoint():`)"
    )
