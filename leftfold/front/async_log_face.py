"""The async twin of `leftfold.front.log_face`: the engine, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar, overload

from leftfold import expected as expectation
from leftfold.events import Query, RecordedEvent
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class AsyncLogFace:
    """The async face of a log: of a store's own, or of one inside a transaction."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY_VERSION,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream, all or nothing; see `EventStore.append`."""
        return await self._log.append(stream, events, expected=expected, metadata=metadata, condition=condition)

    async def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams in one transaction, all or nothing; see `EventStore.append_all`."""
        return await self._log.append_all(writes, metadata=metadata, condition=condition)

    async def decision(self, query: Query) -> Decision:
        """Every committed event that matches, and a condition for the append; see `EventStore.decision`."""
        return await read_decision(self._log, query)

    def read(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[RecordedEvent]:
        """The committed events of a stream; see `EventStore.read`."""
        return each_recorded(self._log.read_stream(stream, after=after, until=until, limit=limit, backwards=backwards))

    def read_all(
        self,
        query: Query = Query.ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[RecordedEvent]:
        """The events of the log that match, up to the horizon; see `EventStore.read_all`."""
        return each_recorded(self._log.read_log(query, after=after, until=until, limit=limit, backwards=backwards))

    async def head(self) -> int:
        """The horizon: the position of the last event that is settled; 0 in an empty log."""
        return await self._log.head()

    @overload
    def repository(
        self, of: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> AsyncDeciderRepository[State, Command]: ...

    @overload
    def repository(
        self, of: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> AsyncRepository[AggregateType]: ...

    def repository(self, of: Any, *, attempts: int = DEFAULT_ATTEMPTS) -> Any:
        """The aggregates of a class, or the states of a decider; see `EventStore.repository`."""
        if isinstance(of, Decider):
            return AsyncDeciderRepository(self._log, of, attempts=attempts)
        return AsyncRepository(self._log, of, attempts=attempts)


async def each_recorded(pages: AsyncIterator[list[RecordedEvent]]) -> AsyncIterator[RecordedEvent]:
    """The events of pages, each by itself."""
    async for page in pages:
        for recorded in page:
            yield recorded
