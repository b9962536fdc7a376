"""Everything that can go wrong, by name.

Errors are part of the interface: each says what happened, what was expected, what was found and what to do next.
They carry what a program needs to react as attributes; the text is for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from leftfold import expected as expectation


class LeftfoldError(Exception):
    """The root of every error that leftfold raises on purpose."""


class InvalidArgument(LeftfoldError, ValueError):
    """A name, number, URL or moment cannot be used; nothing was read or written."""


class InvalidState(LeftfoldError, RuntimeError):
    """The arguments are fine, but the state of things does not allow the call now; nothing was written."""


class EventTypeConflict(LeftfoldError, TypeError):
    """Two classes claim one event type name, or a class cannot be an event type."""


class ConcurrencyError(LeftfoldError):
    """The stream is not at the version that the append demanded; nothing was written."""

    def __init__(self, stream: str, expected: int, actual: int, attempts: int = 1) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        self.attempts = attempts
        tried = f" after {attempts} attempts" if attempts > 1 else ""
        super().__init__(
            f"stream {stream!r} is at version {actual}, expected {expectation.describe(expected)}{tried}: "
            "another writer appended first; load it again and decide again"
        )

    def __reduce__(self) -> tuple[type[ConcurrencyError], tuple[str, int, int, int]]:
        return type(self), (self.stream, self.expected, self.actual, self.attempts)


class ConditionFailed(LeftfoldError):
    """The log holds an event that the append's condition excludes; nothing was written.

    It carries the `AppendCondition` and the position of the first such event.
    """

    def __init__(self, condition: Any, position: int) -> None:
        self.condition = condition
        self.position = position
        super().__init__(
            f"the event at position {position} matches the append's condition, which allows none after position "
            f"{condition.after}: another writer appended first; read again and decide again"
        )

    def __reduce__(self) -> tuple[type[ConditionFailed], tuple[Any, int]]:
        return type(self), (self.condition, self.position)


class DuplicateEvent(LeftfoldError):
    """Some event ids are stored already, but not as the same append; nothing was written."""

    def __init__(self, stream: str, ids: Sequence[UUID]) -> None:
        self.stream = stream
        self.ids = tuple(ids)
        shown = ", ".join(str(event_id) for event_id in self.ids[:3]) + (", …" if len(self.ids) > 3 else "")
        super().__init__(
            f"an append to {stream!r} carries event ids that are stored already as something else ({shown}): "
            "a retry must carry the same events, in the same order, for the same stream; new facts need new ids"
        )

    def __reduce__(self) -> tuple[type[DuplicateEvent], tuple[str, tuple[UUID, ...]]]:
        return type(self), (self.stream, self.ids)


class AggregateNotFound(LeftfoldError, LookupError):
    """There is no such aggregate, or there was none at the moment in question."""


class HistoricalState(LeftfoldError):
    """A state of the past was asked to change; history is read only."""


class UnknownEventType(LeftfoldError, LookupError):
    """No class is registered for an event's type name, or an object is not a registered event."""


class InvalidEvent(LeftfoldError, ValueError):
    """An event does not fit its own type, or cannot be stored as JSON and come back the same."""


class EventTooLarge(InvalidEvent):
    """An event is larger than the store's limit."""


class DecodeError(LeftfoldError, ValueError):
    """A stored event does not fit today's class. It carries position, type, schema_version and the reason."""

    def __init__(self, position: int, type: str, schema_version: int, reason: str) -> None:
        self.position = position
        self.type = type
        self.schema_version = schema_version
        self.reason = reason
        super().__init__(
            f"event {type!r} (schema version {schema_version}) at position {position} cannot be decoded: {reason}"
        )

    def __reduce__(self) -> tuple[type[DecodeError], tuple[int, str, int, str]]:
        return type(self), (self.position, self.type, self.schema_version, self.reason)


class ProcessorFailed(LeftfoldError):
    """A projection could not apply an event. Its rows and checkpoint stand just before the event; nothing is skipped.

    It carries the projection's name, the event's position, stream and type, and the reason; the fold's own error is its
    cause. ``others`` are the failures of other projections in the same run. An inline projection refuses the append
    with it: then the position is None, and nothing was written.
    """

    def __init__(
        self, projection: str, position: int | None, stream: str, type: str, reason: str, remedy: str | None = None
    ) -> None:
        self.projection = projection
        self.position = position
        self.stream = stream
        self.type = type
        self.reason = reason
        self.remedy = remedy or "Everything before it is applied; correct the projection and catch up again"
        self.others: tuple[LeftfoldError, ...] = ()
        stopped, place = ("refuses", "") if position is None else ("stopped in front of", f" at position {position}")
        super().__init__(
            f"projection {projection!r} {stopped} event {type!r} of {stream!r}{place}: {reason}. {self.remedy}"
        )

    def __reduce__(self) -> tuple[type[ProcessorFailed], tuple[str, int | None, str, str, str, str]]:
        return type(self), (self.projection, self.position, self.stream, self.type, self.reason, self.remedy)


class ProcessorPaused(LeftfoldError):
    """A projection was asked to catch up, and it is paused."""

    def __init__(self, projection: str, who: str, why: str) -> None:
        self.projection = projection
        self.who = who
        self.why = why
        super().__init__(
            f"projection {projection!r} was paused by {who} ({why}): `leftfold resume module:app {projection}` "
            "lets it run again"
        )

    def __reduce__(self) -> tuple[type[ProcessorPaused], tuple[str, str, str]]:
        return type(self), (self.projection, self.who, self.why)


class ProjectionBehind(LeftfoldError, TimeoutError):
    """A read model does not show an event in time; the error says how far it is, and why."""

    def __init__(self, projection: str, position: int, reached: int, why: str) -> None:
        self.projection = projection
        self.position = position
        self.reached = reached
        self.why = why
        super().__init__(f"projection {projection!r} is at position {reached}, expected {position}: {why}")

    def __reduce__(self) -> tuple[type[ProjectionBehind], tuple[str, int, int, str]]:
        return type(self), (self.projection, self.position, self.reached, self.why)


class StoreUnavailable(LeftfoldError):
    """The database cannot be reached or used. An append in flight may or may not have been stored."""


class TransactionConflict(LeftfoldError):
    """The user's transaction collided with another (a deadlock, a serialization failure, a stale snapshot).

    None of it can be committed: roll it back and run all of it again.
    """


class SchemaOutdated(LeftfoldError):
    """The tables in the database do not fit this version of leftfold."""


class ProcessorOutdated(LeftfoldError):
    """A processor's rows, tables or inline set in the database do not fit this process's code."""


class NotSupported(LeftfoldError):
    """A guarantee cannot be kept here; the call is refused rather than the guarantee weakened."""


class MissingExtra(LeftfoldError, ImportError):
    """An optional dependency is not installed; the message has the exact pip line."""
