"""The facts that the suite records."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import leftfold as lf
from leftfold.events.new import encode_events
from leftfold.log.append import Append

registry = lf.Registry()
"""The suite's own event types; connect with it."""


class Counted(lf.Event, type="conformance.counted", registry=registry):
    number: int = 0


class Enrolled(lf.Event, type="conformance.enrolled", registry=registry):
    student: Annotated[int, lf.Tag("student")]
    courses: Annotated[list[str], lf.Tag("course")]


class Paid(lf.Event, type="conformance.paid", registry=registry):
    amount: Decimal
    note: str | None = None
    rate: float | None = None
    due: datetime | None = None
    extra: Any = None


def counted(count: int, start: int = 1) -> list[lf.NewEvent]:
    """Numbered facts, each with an id of its own."""
    return [lf.NewEvent(Counted(number)) for number in range(start, start + count)]


def tagged(*tags: str, number: int = 0) -> list[lf.NewEvent]:
    """One fact with these tags."""
    return [lf.NewEvent(Counted(number), tags=tags)]


def an_append(
    stream: str, events: list[Any], expected: int = lf.ANY_VERSION, condition: lf.AppendCondition | None = None
) -> Append:
    """As a log takes it."""
    return Append(stream, encode_events(events, registry), expected, condition)


def day(number: int) -> datetime:
    """The start of a day of January 2026."""
    return datetime(2026, 1, number, tzinfo=UTC)
