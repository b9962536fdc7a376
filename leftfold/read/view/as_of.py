"""Questions to a view's past: as of a moment, as known at a moment, up to a position, or all of these at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from leftfold.arguments import whole_number
from leftfold.errors import InvalidArgument
from leftfold.events import Query, moment
from leftfold.events.query import Span


@dataclass(frozen=True, slots=True)
class AsOf:
    """Which events count: occurred_at <= ``at``, recorded_at <= ``known_at``, position <= ``position``.

    With backdated events these are not the first events of the log: an event of the 15th may be recorded after an event
    of the 20th. They are folded in log order all the same.
    """

    at: datetime | None = None
    known_at: datetime | None = None
    position: int | None = None

    def narrow(self, query: Query) -> Query:
        """Only those events of a query that count; the position is left to the reading."""
        return Query(
            tuple(
                replace(
                    criterion,
                    occurred=_until(criterion.occurred, self.at),
                    recorded=_until(criterion.recorded, self.known_at),
                )
                for criterion in query.criteria
            )
        )

    def __str__(self) -> str:
        parts = [
            f"as of {self.at.isoformat()}" if self.at else "",
            f"as known at {self.known_at.isoformat()}" if self.known_at else "",
            f"at position {self.position}" if self.position is not None else "",
        ]
        return " ".join(part for part in parts if part)


def as_of(at: datetime | None, known_at: datetime | None, position: int | None) -> AsOf:
    """The question, checked: aware moments, a position from 0, and at least one of them."""
    if at is None and known_at is None and position is None:
        raise InvalidArgument(
            "as_of asks about the past: say at=… (when it happened), known_at=… (when the store had learnt it) or "
            "position=… (an event's place in the log); the view itself is now"
        )
    return AsOf(
        None if at is None else moment.as_utc(at, "at"),
        None if known_at is None else moment.as_utc(known_at, "known_at"),
        None if position is None else whole_number(position, "position", least=0),
    )


def _until(span: Span | None, end: datetime | None) -> Span | None:
    if span is None or end is None:
        return span or (None if end is None else (None, end))
    start, before = span
    return (start, end if before is None else min(before, end))
