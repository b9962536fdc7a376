"""A transaction of the user's, with appends in it: the sync face of a joined log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from leftfold.doors.step import step, step_inside
from leftfold.front.log_face import LogFace
from leftfold.log.contract import Log
from leftfold.log.transaction import execute, transaction
from leftfold.write.aggregate import Aggregate

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class Transaction(LogFace):
    """Appends inside a transaction. From `EventStore.transaction`, which commits it, or `EventStore.using`.

    Errors beside those of the store: `TransactionConflict` (roll back, and run all of it again), `NotSupported` (what
    the transaction's isolation cannot keep), `InvalidState` (not in a transaction, failed, ended), `InvalidArgument` (a
    connection to another database). A lost connection is `StoreUnavailable` and never retried: the transaction is gone.

    An append is stored when the transaction commits. Its stream is locked until then: other appends to it wait, and on
    PostgreSQL followers wait as well. `read` and `decision` see the transaction's own events; `read_all` and `head`
    end at the horizon, which on PostgreSQL is below them. At REPEATABLE READ and SERIALIZABLE `decision`, conditions,
    `read_all` and `head` are `NotSupported`. A refused append undoes only that call. After a rollback load aggregates
    again: in memory they stand where the commit would have left them.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of your own and return its rows; ``?`` marks a parameter on SQLite, ``%s`` on PostgreSQL.

        A failure of the statement is the driver's own error. On PostgreSQL the transaction can then only be rolled
        back, unless a `savepoint` was around it. Statements of SQLAlchemy's run on its own connections and sessions,
        which `EventStore.using` joins.
        """
        return step(execute(self._log, sql, parameters))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens in the block is undone alone if the block raises; the transaction goes on."""
        with step_inside(self._log.database.transaction()):
            yield


class TransactionBlock(AbstractContextManager[Transaction]):
    """What `EventStore.transaction` gives: it begins at ``with`` and commits at the end of the block."""

    def __init__(self, log: Log) -> None:
        self._inside = step_inside(transaction(log))

    def __enter__(self) -> Transaction:
        return Transaction(self._inside.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._inside.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(not_begun(name, "with"))


def not_begun(name: str, block: str) -> str:
    """What to do in place of asking for ``name`` without a block."""
    return f"this transaction has not begun: write `{block} store.transaction() as tx:`, and use tx.{name} inside"
