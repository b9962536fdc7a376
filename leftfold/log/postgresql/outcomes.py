"""What the server says of an append: a status, an error of its own, and where it has put what it has stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import DataError
from psycopg.errors import OutOfMemory, ProgramLimitExceeded, StatementTooComplex, UniqueViolation

from leftfold.database.protocol import Row
from leftfold.errors import ConcurrencyError, ConditionFailed, DuplicateEvent, InvalidEvent, LeftfoldError
from leftfold.log.append import BUSY, Append, AppendResult, Outcome
from leftfold.log.inline.protocol import StoredAppend

REFUSALS = (UniqueViolation, DataError, ProgramLimitExceeded, StatementTooComplex)
"""What the server says of an append, not of itself."""
CONDITION_FAILED = 4
OUTDATED = 9


class Answer(NamedTuple):
    """What ``append_v1`` says of a batch."""

    statuses: Sequence[int]
    versions: Sequence[int]
    positions: Sequence[int]
    listened: bool | None
    """Whether another process listens; None if nothing was stored."""
    event_positions: Sequence[Any] | None = None
    """A position for each event, None if it was not stored; only inline projections ask for it."""
    recorded: int | None = None
    """When the first append was; each independent append after it has the next microsecond."""

    def rows(self) -> list[Row]:
        """Status, version and position of each append."""
        return list(zip(self.statuses, self.versions, self.positions, strict=True))


def read_answer(texts: Sequence[bytes | None]) -> Answer:
    """From PostgreSQL's text."""
    statuses, versions, positions, listened = texts
    is_listened = None if listened is None else listened == b"t"
    return Answer(_numbers(statuses), _numbers(versions), _numbers(positions), is_listened)


def _numbers(array: bytes | None) -> list[int]:
    return [int(number) for number in (array or b"{}").strip(b"{}").split(b",") if number]


def outcome(append: Append, status: int, version: int, position: int) -> Outcome:
    """What has come of an append, for any status but `OUTDATED`."""
    match status:
        case 0 | 1:
            return AppendResult(version, position, duplicate=status == 1)
        case 2:
            return ConcurrencyError(append.stream, append.expected, version)
        case 3:
            return _clash([append])
        case 4:
            return ConditionFailed(append.condition, position)
        case _:
            return BUSY


def concerns_batch(error: Exception) -> bool:
    """Whether the server refused a batch for what it carries, or for want of locks: each append may then go alone.

    PostgreSQL's table of locks has room for some thousands. When it is full, the server says "out of shared memory".
    """
    return isinstance(error, REFUSALS) or isinstance(error.__cause__, OutOfMemory)


def refusal(appends: Sequence[Append], error: psycopg.Error) -> LeftfoldError:
    """An error of `REFUSALS` in words."""
    if isinstance(error, UniqueViolation):
        return _clash(appends)
    return InvalidEvent(f"the server refuses the append to {appends[0].stream!r}: {error}")


def stored_appends(appends: Sequence[Append], together: bool, answer: Answer) -> Iterator[StoredAppend]:
    """The appends that were stored."""
    if answer.event_positions is None or answer.recorded is None:
        return
    start = 0
    for number, append in enumerate(appends):
        if answer.statuses[number] == 0 and append.events:
            moment = answer.recorded if together else answer.recorded + number
            yield StoredAppend(number, append, answer.versions[number], answer.event_positions, start, moment)
        start += len(append.events)


def _clash(appends: Sequence[Append]) -> DuplicateEvent:
    streams = ", ".join(append.stream for append in appends)
    return DuplicateEvent(streams, [event.id for append in appends for event in append.events])
