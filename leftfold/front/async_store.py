"""The async front door: the engine, awaited. Names, arguments and meanings are those of `leftfold.front.store`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from leftfold import expected as expectation
from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Database
from leftfold.events import Query, RecordedEvent
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.front.async_transaction import AsyncTransaction, AsyncTransactionBlock, each_recorded
from leftfold.front.close import close_both
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.log.subscription.subscription import SubscriptionEngine
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.history import History
from leftfold.read.view.view import AsyncView
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Model = TypeVar("Model", bound=ReadModel)
Command = TypeVar("Command")


class AsyncEventStore:
    """A store for asyncio. Made by `leftfold.connect_async`; open it with ``async with``, or ``await store.open()``."""

    def __init__(self, log: Log, opening: Callable[[], Awaitable[None]], read_models: Database | None = None) -> None:
        self.log = log
        self._read_models = read_models or log.database
        self._history = History(log)
        self._opening = opening

    async def open(self) -> Self:
        """Open connections and check the schema; the errors are those of `leftfold.connect`."""
        await self._opening()
        return self

    async def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream, all or nothing; see `EventStore.append`."""
        return await self.log.append(stream, events, expected=expected, metadata=metadata, condition=condition)

    async def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams in one transaction, all or nothing; see `EventStore.append_all`."""
        return await self.log.append_all(writes, metadata=metadata, condition=condition)

    async def decision(self, query: Query) -> Decision:
        """Every committed event that matches, and a condition for the append; see `EventStore.decision`."""
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
        """The committed events of a stream; see `EventStore.read`."""
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
        """The events of the log that match, up to the horizon; see `EventStore.read_all`."""
        return each_recorded(self.log.read_log(query, after=after, until=until, limit=limit, backwards=backwards))

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> AsyncSubscription:
        """Every matching event after a position, for ever; see `EventStore.subscribe`."""
        return AsyncSubscription(SubscriptionEngine(self.log, query, after))

    async def head(self) -> int:
        """The horizon: the position of the last event that is settled; 0 in an empty log."""
        return await self.log.head()

    async def checkpoint(self) -> Checkpoint:
        """The head as a checkpoint; see `EventStore.checkpoint`."""
        return (await self.log.survey(0)).checkpoint

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
            return AsyncDeciderRepository(self.log, of, attempts=attempts)
        return AsyncRepository(self.log, of, attempts=attempts)

    def projector(
        self, projections: Iterable[AnyProjection], *, lease_seconds: float = LEASE_SECONDS
    ) -> AsyncProjector:
        """Something that maintains these projections; see `EventStore.projector`."""
        return AsyncProjector(self.log, projections, database=self._read_models, lease_seconds=lease_seconds)

    def view(self, model: type[Model]) -> AsyncView[Model]:
        """A read model, to ask questions of; see `EventStore.view`."""
        return AsyncView(self._read_models, model, self._history)

    def transaction(self) -> AsyncTransactionBlock:
        """Several appends and SQL of your own in one transaction; see `EventStore.transaction`."""
        return AsyncTransactionBlock(self.log)

    def using(self, connection: Any) -> AsyncTransaction:
        """Appends inside a transaction that you hold, and commit; see `EventStore.using`.

        ``connection`` is a psycopg AsyncConnection, an aiosqlite Connection, or a SQLAlchemy AsyncConnection or
        AsyncSession through one of these drivers.
        """
        return AsyncTransaction(self.log.joined(connection))

    async def close(self) -> None:
        """Close every connection, and end the subscriptions. Views of the past stay usable."""
        self._history.forget()
        await close_both(self.log, self._read_models)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncSubscription:
    """An async iterator over the log that follows it; see `leftfold.front.store.Subscription`."""

    def __init__(self, following: SubscriptionEngine) -> None:
        self._following = following
        self._events = self._follow()
        self._last: RecordedEvent | None = None

    @property
    def position(self) -> int:
        """Of the last event handed out, or later if what follows did not match."""
        gone = self._following.position
        return gone if self._last is None else max(self._last.position, gone)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The same as a `Checkpoint`, to keep and to subscribe after; None until the store has been asked."""
        return self._following.checkpoint(self._last)

    async def _follow(self) -> AsyncIterator[RecordedEvent]:
        async for page in self._following.pages():
            for recorded in page:
                if self._following.closed:
                    return
                self._last = recorded
                yield recorded

    def close(self) -> None:
        """End the subscription."""
        self._following.close()

    def __aiter__(self) -> AsyncIterator[RecordedEvent]:
        return self._events

    async def __anext__(self) -> RecordedEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
