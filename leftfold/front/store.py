"""The sync front door: thin, typed faces that step the engine's coroutines in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from leftfold import expected as expectation
from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Database
from leftfold.doors.step import step, step_each
from leftfold.events import Query, RecordedEvent
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.front.close import close_both
from leftfold.front.projector import Projector
from leftfold.front.repository import DeciderRepository, Repository
from leftfold.front.transaction import Transaction, TransactionBlock
from leftfold.front.view import View
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.log.subscription.subscription import SubscriptionEngine
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.view.history import History
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Model = TypeVar("Model", bound=ReadModel)
Command = TypeVar("Command")


class EventStore:
    """An open store. Made by `leftfold.connect`; safe to share between threads; ``close()`` it, or use ``with``."""

    def __init__(self, log: Log, read_models: Database | None = None) -> None:
        self.log = log
        self._read_models = read_models or log.database
        self._history = History(log)

    def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream, all or nothing; returns when they are flushed to disk.

        ``events`` are registered event objects, `NewEvent` or `RawEvent`. ``expected`` is the version that the stream
        must have before: a number, ``ANY``, ``NO_STREAM`` or ``EXISTS``; otherwise `ConcurrencyError` and nothing is
        written. The same event ids again, for the same stream and in the same order, return the first result with
        ``duplicate=True``; any other overlap is `DuplicateEvent`. No events at all only checks the expectation.
        With a ``condition`` (see `decision`) it fails with `ConditionFailed` if an event stands where none is to.
        Refused before anything is sent: `InvalidEvent`, `EventTooLarge`, `UnknownEventType`, `InvalidArgument`.
        `StoreUnavailable`: the outcome is unknown; the same `NewEvent` objects may be appended again safely.
        """
        return step(self.log.append(stream, events, expected=expected, metadata=metadata, condition=condition))

    def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams in one transaction, all or nothing; one `Write` for each stream.

        Errors are those of `append`. A retry is recognised only whole: all the events of one former call.
        """
        return step(self.log.append_all(writes, metadata=metadata, condition=condition))

    def decision(self, query: Query) -> Decision:
        """Every committed event that matches, and the condition that there are no more, for the append that follows.

        ``decision.events`` are in log order and may lie above the horizon; ``decision.condition`` goes into `append`,
        which then fails with `ConditionFailed` if another matching event has come: read again and decide again.
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
        """The committed events of a stream with after < version <= until, in order, or backwards; at most ``limit``.

        An unknown stream has none. Pages are fetched as they are needed.
        """
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
        """The events of the log that match, with after < position <= until, in order of position, up to the horizon."""
        pages = self.log.read_log(query, after=after, until=until, limit=limit, backwards=backwards)
        return (recorded for page in step_each(pages) for recorded in page)

    def subscribe(self, query: Query = Query.ALL, *, after: int | Checkpoint = 0) -> Subscription:
        """Every matching event after a position: those that are there, then each new one; never ends by itself.

        ``after`` is a position, which is believed, or a `Checkpoint`, which is verified. `EpochChanged` stops the
        iteration when this is not the log that was followed so far, now or later.
        """
        return Subscription(SubscriptionEngine(self.log, query, after))

    def head(self) -> int:
        """The horizon: the position of the last event that is settled; 0 in an empty log."""
        return step(self.log.head())

    def checkpoint(self) -> Checkpoint:
        """The head as a checkpoint: subscribe after it for what happens from now on, verified."""
        return step(self.log.survey(0)).checkpoint

    @overload
    def repository(
        self, of: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> DeciderRepository[State, Command]: ...

    @overload
    def repository(self, of: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS) -> Repository[AggregateType]: ...

    def repository(self, of: Any, *, attempts: int = DEFAULT_ATTEMPTS) -> Any:
        """The aggregates of a class, or the states of a decider; ``attempts`` bounds retries after conflicts."""
        if isinstance(of, Decider):
            return DeciderRepository(self.log, of, attempts=attempts)
        return Repository(self.log, of, attempts=attempts)

    def projector(self, projections: Iterable[AnyProjection], *, lease_seconds: float = LEASE_SECONDS) -> Projector:
        """Something that maintains these projections; ``catch_up()`` applies what has happened so far."""
        return Projector(self.log, projections, database=self._read_models, lease_seconds=lease_seconds)

    def view(self, model: type[Model]) -> View[Model]:
        """A read model, to ask questions of; it shows what a projector has committed."""
        return View(self._read_models, model, self._history)

    def transaction(self) -> TransactionBlock:
        """Several appends and SQL of your own in one transaction, committed on a clean exit or rolled back. ::

            with store.transaction() as tx:
                tx.append("Order-7", [OrderPlaced(…)])
                tx.execute("INSERT INTO orders VALUES (7)")

        On PostgreSQL it is READ COMMITTED; on SQLite it is the one writer while it lasts. Inside, use ``tx``: the
        store itself refuses to append (`InvalidArgument`), because it would wait for this very transaction.
        """
        return TransactionBlock(self.log)

    def using(self, connection: Any) -> Transaction:
        """Appends inside a transaction that you hold, and commit: with your own tables, or not at all. ::

            store.using(connection).append("Order-7", [OrderPlaced(…)])

        ``connection`` leads to the store's own database: a psycopg or sqlite3 connection, a SQLAlchemy Connection or
        Session (through one of these drivers), or Django's connection. One in autocommit and in no transaction is
        refused (`InvalidArgument`). It is not used before the first call on what comes back.
        """
        return Transaction(self.log.joined(connection))

    def close(self) -> None:
        """Close every connection, and end the subscriptions. Views of the past stay usable."""
        self._history.forget()
        step(close_both(self.log, self._read_models))

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
