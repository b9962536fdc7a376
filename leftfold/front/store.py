"""The sync front door: thin, typed faces that step the engine's coroutines in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Database
from leftfold.doors.step import step, step_each
from leftfold.events import Query, RecordedEvent
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.front.close import close_both
from leftfold.front.log_face import LogFace
from leftfold.front.processors import Processors
from leftfold.front.projector import Projector
from leftfold.front.transaction import Transaction, TransactionBlock
from leftfold.front.view import View
from leftfold.log.contract import Log
from leftfold.log.subscription.subscription import SubscriptionEngine
from leftfold.read.apply.unpark import parked_rows
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.view.history import History
from leftfold.write.aggregate import Aggregate

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Model = TypeVar("Model", bound=ReadModel)
Command = TypeVar("Command")


class EventStore(LogFace):
    """An open store. Made by `leftfold.connect`; safe to share between threads; ``close()`` it, or use ``with``."""

    def __init__(
        self, log: Log, read_models: Database | None = None, projections: Iterable[AnyProjection] = ()
    ) -> None:
        super().__init__(log)
        self._read_models = read_models or log.database
        self._projections = {projection.name: projection for projection in projections}
        self._history = History(log)

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> Subscription:
        """Every matching event after a position: those that are there, then each new event. It never ends by itself.

        ``after`` is a position, which is believed, or a `Checkpoint`, which is verified. `EpochChanged` stops the
        iteration when this is not the log that was followed so far, now or later.
        """
        return Subscription(SubscriptionEngine(self._log, query, after))

    def checkpoint(self) -> Checkpoint:
        """The head as a checkpoint: subscribe after it for what happens from now on, verified."""
        return step(self._log.state(0)).checkpoint

    def projector(self, projections: Iterable[AnyProjection], *, lease_seconds: float = LEASE_SECONDS) -> Projector:
        """Something that maintains these projections; ``catch_up()`` applies what has happened so far."""
        projector = Projector(self._log, projections, database=self._read_models, lease_seconds=lease_seconds)
        self._projections |= projector.projections
        return projector

    @property
    def processors(self) -> Processors:
        """Everything that follows this store's log with a checkpoint: where it stands, and acts on it. ::

        store.processors.pause("customers", why="the mail server is down")
        """
        return Processors(self._log, self._read_models, partial(parked_rows, self._read_models, self._projections))

    def view(self, model: type[Model]) -> View[Model]:
        """A read model, to ask questions of; it shows what a projector has committed."""
        return View(self._read_models, model, self._history)

    def transaction(self) -> TransactionBlock:
        """Several appends and SQL of your own in one transaction, committed on a clean exit or rolled back. ::

            with store.transaction() as tx:
                tx.append("Order-7", [OrderPlaced(…)])
                tx.execute("INSERT INTO orders VALUES (7)")

        On PostgreSQL it is READ COMMITTED; on SQLite it is the only writer while it lasts. Inside, use ``tx``: the
        store itself refuses to append (`InvalidState`), because it would wait for this very transaction.
        """
        return TransactionBlock(self._log)

    def using(self, connection: Any) -> Transaction:
        """Appends inside a transaction that you hold, and commit: with your own tables, or not at all. ::

            store.using(connection).append("Order-7", [OrderPlaced(…)])

        ``connection`` leads to the store's own database: a psycopg or sqlite3 connection, a SQLAlchemy Connection or
        Session (through one of these drivers), or Django's connection. A connection in autocommit and in no transaction
        is refused (`InvalidState`). It is not used before the first call on what comes back.
        """
        return Transaction(self._log.joined(connection))

    def close(self) -> None:
        """Close every connection, and end the subscriptions. Views of the past stay usable."""
        self._history.forget()
        step(close_both(self._log, self._read_models))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Subscription:
    """An iterator over the log that follows it. ``close()``, from any thread, ends the iteration promptly.

    One thread iterates. An iteration that has ended does not begin again: subscribe ``after`` its position.
    """

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

    def _follow(self) -> Iterator[RecordedEvent]:
        for page in step_each(self._following.pages()):
            for recorded in page:
                if self._following.closed:
                    return
                self._last = recorded
                yield recorded

    def close(self) -> None:
        """End the subscription."""
        self._following.close()

    def __iter__(self) -> Iterator[RecordedEvent]:
        return self._events

    def __next__(self) -> RecordedEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
