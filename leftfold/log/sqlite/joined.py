"""The SQLite log inside a transaction that somebody else ends: each append is a savepoint in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from leftfold.database.sqlite.held import HeldSqliteDatabase, in_savepoint
from leftfold.log.group_commit import Ungrouped
from leftfold.log.sqlite.append import Run, Writer
from leftfold.log.sqlite.log import SqliteLog
from leftfold.log.sqlite.statements import statement

Result = TypeVar("Result")


def within_transaction(raw: sqlite3.Connection, write: Callable[[Writer], Result]) -> Result:
    """What is judged must not be older than the write lock, so the lock comes first."""

    def locked() -> Result:
        raw.execute(statement("lock"))
        return write(Writer(raw))

    return in_savepoint(raw, locked)


class JoinedSqliteLog(SqliteLog):
    """`SqliteLog` over a connection that a user holds."""

    committing = Ungrouped
    run: Run = staticmethod(within_transaction)

    def __init__(self, log: SqliteLog, held: Any) -> None:
        super().__init__(HeldSqliteDatabase(log._sqlite, held), log.registry)
        self.inline = log.inline
