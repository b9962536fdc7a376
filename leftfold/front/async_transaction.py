"""The async twin of `leftfold.front.transaction`. Names, arguments and meanings are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, NoReturn, TypeVar, overload

from leftfold import expected as expectation
from leftfold.checkpoint import Checkpoint
from leftfold.events import Query, RecordedEvent
from leftfold.front.transaction import not_begun
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.log.transaction import execute, refuse_to_follow, transaction
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class AsyncTransaction:
    """Appends inside a transaction, for asyncio; see `leftfold.front.transaction.Transaction`.

    From `AsyncEventStore.transaction`, which commits it, or `AsyncEventStore.using`.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    async def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream; stored when the transaction commits. See `Transaction.append`."""
        return await self.log.append(stream, events, expected=expected, metadata=metadata, condition=condition)

    async def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams, all or nothing; see `Transaction.append_all`."""
        return await self.log.append_all(writes, metadata=metadata, condition=condition)

    async def decision(self, query: Query) -> Decision:
        """Every event that matches, and the condition that there are no more; see `Transaction.decision`."""
        return await read_decision(self.log, query)

    def read(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[RecordedEvent]:
        """The events of a stream as the transaction sees them; see `Transaction.read`."""
        return each_recorded(self.log.read_stream(stream, after=after, until=until, limit=limit, backwards=backwards))

    def read_all(
        self,
        query: Query = Query.ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[RecordedEvent]:
        """The events of the log that match, up to the horizon; see `Transaction.read_all`."""
        return each_recorded(self.log.read_log(query, after=after, until=until, limit=limit, backwards=backwards))

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> NoReturn:
        """`NotSupported`: a subscription never ends, and a transaction must. Subscribe with the store."""
        refuse_to_follow()

    async def head(self) -> int:
        """The horizon; see `EventStore.head`. `NotSupported` at REPEATABLE READ and SERIALIZABLE."""
        return await self.log.head()

    @overload
    def repository(
        self, of: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> AsyncDeciderRepository[State, Command]: ...

    @overload
    def repository(
        self, of: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> AsyncRepository[AggregateType]: ...

    def repository(self, of: Any, *, attempts: int = DEFAULT_ATTEMPTS) -> Any:
        """Aggregates, or states of a decider, loaded and saved inside the transaction; see `Transaction.repository`."""
        if isinstance(of, Decider):
            return AsyncDeciderRepository(self.log, of, attempts=attempts)
        return AsyncRepository(self.log, of, attempts=attempts)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of your own and return its rows; see `Transaction.execute`."""
        return await execute(self.log, sql, parameters)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens in the block is undone alone if the block raises; the transaction goes on."""
        async with self.log.database.transaction():
            yield


class AsyncTransactionBlock(AbstractAsyncContextManager[AsyncTransaction]):
    """What `AsyncEventStore.transaction` gives; see `leftfold.front.transaction.TransactionBlock`."""

    def __init__(self, log: Log) -> None:
        self._inside = transaction(log)

    async def __aenter__(self) -> AsyncTransaction:
        return AsyncTransaction(await self._inside.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inside.__aexit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(not_begun(name, "async with"))


async def each_recorded(pages: AsyncIterator[list[RecordedEvent]]) -> AsyncIterator[RecordedEvent]:
    """The events of pages, one by one."""
    async for page in pages:
        for recorded in page:
            yield recorded
