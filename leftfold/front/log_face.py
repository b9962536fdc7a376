"""What a store and a transaction have in common: appends, decisions, reads and repositories over one log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from leftfold import expected as expectation
from leftfold.doors.step import step, step_each
from leftfold.events import Query, RecordedEvent
from leftfold.front.repository import DeciderRepository, Repository
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision, read_decision
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class LogFace:
    """The sync face of a log: of a store's own, or of one inside a transaction."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY_VERSION,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append events to a stream, all or nothing; returns when they are flushed to disk.

        ``events`` are registered event objects, `NewEvent` or `RawEvent`. ``expected`` is the version that the stream
        must have before: a number, ``ANY_VERSION``, ``NO_STREAM`` or ``STREAM_EXISTS``; otherwise `ConcurrencyError`
        and nothing is written. The same event ids again, for the same stream and in the same order, return the first
        result with ``duplicate=True``; any other overlap is `DuplicateEvent`. No events at all only checks the
        expectation. With a ``condition`` (see `decision`) it fails with `ConditionFailed` if an event stands where none
        is to.
        Refused before anything is sent: `InvalidEvent`, `EventTooLarge`, `UnknownEventType`, `InvalidArgument`.
        `StoreUnavailable`: the outcome is unknown; the same `NewEvent` objects may be appended again safely.
        """
        return step(self._log.append(stream, events, expected=expected, metadata=metadata, condition=condition))

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
        return step(self._log.append_all(writes, metadata=metadata, condition=condition))

    def decision(self, query: Query) -> Decision:
        """Every committed event that matches, and the condition that there are no more, for the append that follows.

        ``decision.events`` are in log order and may lie above the horizon; ``decision.condition`` goes into `append`,
        which then fails with `ConditionFailed` if another matching event has come: read again and decide again.
        """
        return step(read_decision(self._log, query))

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
        pages = self._log.read_stream(stream, after=after, until=until, limit=limit, backwards=backwards)
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
        pages = self._log.read_log(query, after=after, until=until, limit=limit, backwards=backwards)
        return (recorded for page in step_each(pages) for recorded in page)

    def head(self) -> int:
        """The horizon: the position of the last event that is settled; 0 in an empty log."""
        return step(self._log.head())

    @overload
    def repository(
        self, of: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS
    ) -> DeciderRepository[State, Command]: ...

    @overload
    def repository(self, of: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS) -> Repository[AggregateType]: ...

    def repository(self, of: Any, *, attempts: int = DEFAULT_ATTEMPTS) -> Any:
        """The aggregates of a class, or the states of a decider; ``attempts`` bounds retries after conflicts."""
        if isinstance(of, Decider):
            return DeciderRepository(self._log, of, attempts=attempts)
        return Repository(self._log, of, attempts=attempts)
