"""What the server says of an append: a status, an error of its own, and where it has put what it has stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import DataError
from psycopg.errors import ProgramLimitExceeded, StatementTooComplex, UniqueViolation

from leftfold.database.protocol import Row
from leftfold.errors import ConcurrencyError, ConditionFailed, DuplicateEvent, InvalidEvent, LeftfoldError
from leftfold.log.inline import Placed
from leftfold.log.writes import BUSY, Append, AppendResult, Outcome

REFUSALS = (UniqueViolation, DataError, ProgramLimitExceeded, StatementTooComplex)
"""What the server says of an append, not of itself."""
CONDITION_FAILED = 4
OUTDATED = 9


def outcome(append: Append, status: int, version: int, position: int) -> Outcome:
    """What has come of an append, the set of inline projections apart."""
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


def refusal(appends: Sequence[Append], error: psycopg.Error) -> LeftfoldError:
    """One of `REFUSALS` in words."""
    if isinstance(error, UniqueViolation):
        return _clash(appends)
    return InvalidEvent(f"the server refuses the append to {appends[0].stream!r}: {error}")


def placed(appends: Sequence[Append], together: bool, answer: Row) -> Iterator[Placed]:
    """The appends that were stored, from an answer that begins with statuses and versions and ends with the positions
    of all events, None if nothing was, and the first append's moment; each independent one has the next microsecond."""
    statuses, versions, *_, positions, recorded = answer
    if positions is None:
        return
    start = 0
    for number, append in enumerate(appends):
        if statuses[number] == 0 and append.events:
            moment = recorded if together else recorded + number
            yield Placed(number, append, versions[number], positions, start, moment)
        start += len(append.events)


def _clash(appends: Sequence[Append]) -> DuplicateEvent:
    streams = ", ".join(append.stream for append in appends)
    return DuplicateEvent(streams, [event.id for append in appends for event in append.events])
