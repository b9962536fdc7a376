"""The async front door: the engine, awaited. Names, arguments and meanings are those of `leftfold.front.store`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Database
from leftfold.events import Query, RecordedEvent
from leftfold.follow.processors import AsyncProcessors
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.front.async_log_face import AsyncLogFace
from leftfold.front.async_transaction import AsyncTransaction, AsyncTransactionBlock
from leftfold.front.close import close_both
from leftfold.log.contract import Log
from leftfold.log.subscription.subscription import SubscriptionEngine
from leftfold.read.apply.unpark import parked_rows
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.history import History
from leftfold.read.view.view import AsyncView
from leftfold.write.aggregate import Aggregate

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Model = TypeVar("Model", bound=ReadModel)
Command = TypeVar("Command")


class AsyncEventStore(AsyncLogFace):
    """A store for asyncio. Made by `leftfold.connect_async`; open it with ``async with``, or ``await store.open()``."""

    def __init__(
        self,
        log: Log,
        opening: Callable[[], Awaitable[None]],
        read_models: Database | None = None,
        projections: Iterable[AnyProjection] = (),
    ) -> None:
        super().__init__(log)
        self._read_models = read_models or log.database
        self._projections = {projection.name: projection for projection in projections}
        self._history = History(log)
        self._opening = opening

    async def open(self) -> Self:
        """Open connections and check the schema; the errors are those of `leftfold.connect`."""
        await self._opening()
        return self

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> AsyncSubscription:
        """Every matching event after a position, for ever; see `EventStore.subscribe`."""
        return AsyncSubscription(SubscriptionEngine(self._log, query, after))

    async def checkpoint(self) -> Checkpoint:
        """The head as a checkpoint; see `EventStore.checkpoint`."""
        return (await self._log.state(0)).checkpoint

    def projector(
        self, projections: Iterable[AnyProjection], *, lease_seconds: float = LEASE_SECONDS
    ) -> AsyncProjector:
        """Something that maintains these projections; see `EventStore.projector`."""
        projector = AsyncProjector(self._log, projections, database=self._read_models, lease_seconds=lease_seconds)
        self._projections |= projector.projections
        return projector

    @property
    def processors(self) -> AsyncProcessors:
        """Everything that follows this store's log: where it stands, and acts on it; see `EventStore.processors`."""
        return AsyncProcessors(self._log, self._read_models, partial(parked_rows, self._read_models, self._projections))

    def view(self, model: type[Model]) -> AsyncView[Model]:
        """A read model, to ask questions of; see `EventStore.view`."""
        return AsyncView(self._read_models, model, self._history)

    def transaction(self) -> AsyncTransactionBlock:
        """Several appends and SQL of your own in one transaction; see `EventStore.transaction`."""
        return AsyncTransactionBlock(self._log)

    def using(self, connection: Any) -> AsyncTransaction:
        """Appends inside a transaction that you hold, and commit; see `EventStore.using`.

        ``connection`` is a psycopg AsyncConnection, an aiosqlite Connection, or a SQLAlchemy AsyncConnection or
        AsyncSession through one of these drivers.
        """
        return AsyncTransaction(self._log.joined(connection))

    async def close(self) -> None:
        """Close every connection, and end the subscriptions. Views of the past stay usable."""
        self._history.forget()
        await close_both(self._log, self._read_models)

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
