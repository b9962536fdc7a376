"""A transaction of the user's, with appends in it: the sync face of a joined log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, NoReturn, TypeVar, overload

from leftfold import expected as expectation
from leftfold.checkpoint import Checkpoint
from leftfold.doors.step import step, step_each, step_inside
from leftfold.events import Query, RecordedEvent
from leftfold.front.repository import DeciderRepository, Repository
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.log.transaction import execute, refuse_to_follow, transaction
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class Transaction:
    """Appends inside a transaction. From `EventStore.transaction`, which commits it, or `EventStore.using`.

    Errors beside those of the store: `TransactionConflict` (roll back, and run all of it again), `NotSupported` (what
    the transaction's isolation cannot keep), `InvalidArgument` (not in a transaction, failed, ended, or a connection to
    another database). A lost connection is `StoreUnavailable` and never retried: the transaction is gone.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream; stored when the transaction commits. See `EventStore.append`.

        The stream is locked until then: others who append to it wait. On PostgreSQL followers wait as well.
        """
        return step(self.log.append(stream, events, expected=expected, metadata=metadata, condition=condition))

    def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams, all or nothing; see `EventStore.append_all`. A refusal undoes only this call."""
        return step(self.log.append_all(writes, metadata=metadata, condition=condition))

    def decision(self, query: Query) -> Decision:
        """Every event that matches, the transaction's own among them, and the condition that there are no more.

        See `EventStore.decision`. `NotSupported` at REPEATABLE READ and SERIALIZABLE, as is ``condition`` itself.
        """
        return step(read_decision(self.log, query))

    def read(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[RecordedEvent]:
        """The events of a stream as the transaction sees them, its own among them; see `EventStore.read`."""
        pages = self.log.read_stream(stream, after=after, until=until, limit=limit, backwards=backwards)
        return (recorded for page in step_each(pages) for recorded in page)

    def read_all(
        self,
        query: Query = Query.ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[RecordedEvent]:
        """The events of the log that match, up to the horizon; see `EventStore.read_all`.

        On PostgreSQL the transaction's own appends are beyond the horizon until it has committed, and `NotSupported`
        is raised at REPEATABLE READ and SERIALIZABLE.
        """
        pages = self.log.read_log(query, after=after, until=until, limit=limit, backwards=backwards)
        return (recorded for page in step_each(pages) for recorded in page)

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> NoReturn:
        """`NotSupported`: a subscription never ends, and a transaction must. Subscribe with the store."""
        refuse_to_follow()

    def head(self) -> int:
        """The horizon; see `EventStore.head`. `NotSupported` at REPEATABLE READ and SERIALIZABLE."""
        return step(self.log.head())

    @overload
    def repository(
        self, of: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> DeciderRepository[State, Command]: ...

    @overload
    def repository(self, of: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS) -> Repository[AggregateType]: ...

    def repository(self, of: Any, *, attempts: int = DEFAULT_ATTEMPTS) -> Any:
        """The aggregates of a class, or the states of a decider, loaded and saved inside the transaction.

        After a rollback load them again: in memory they stand where the commit would have left them.
        """
        if isinstance(of, Decider):
            return DeciderRepository(self.log, of, attempts=attempts)
        return Repository(self.log, of, attempts=attempts)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of your own and return its rows; ``?`` marks a parameter on SQLite, ``%s`` on PostgreSQL.

        A failure of the statement is the driver's own error. On PostgreSQL the transaction can then only be rolled
        back, unless a `savepoint` was around it. Statements of SQLAlchemy's run on its own connections and sessions,
        which `EventStore.using` joins.
        """
        return step(execute(self.log, sql, parameters))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens in the block is undone alone if the block raises; the transaction goes on."""
        with step_inside(self.log.database.transaction()):
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
