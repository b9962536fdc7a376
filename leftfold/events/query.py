"""Queries: which events of the log. A value, understood by every back end and by plain Python alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from leftfold.errors import InvalidArgument
from leftfold.events import moment
from leftfold.events.recorded import RecordedEvent
from leftfold.events.registry import Registry, default_registry
from leftfold.events.stream import check_category, check_tag

Span = tuple[datetime | None, datetime | None]
"""From and until, both inclusive; None leaves a side open."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One alternative of a query; every given part must hold. ``types`` are stored type names; any of them matches."""

    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    category: str | None = None
    occurred: Span | None = None
    recorded: Span | None = None

    def matches(self, recorded: RecordedEvent) -> bool:
        """Whether the event matches."""
        return (
            (not self.types or recorded.type in self.types)
            and self.tags.issubset(recorded.tags)
            and (self.category is None or recorded.category == self.category)
            and (self.occurred is None or _within(recorded.occurred_at, self.occurred))
            and (self.recorded is None or _within(recorded.recorded_at, self.recorded))
        )


@dataclass(frozen=True, slots=True)
class Query:
    """Which events of the log: those that match any of the criteria. `Query.of` makes a query; ``|`` is or."""

    criteria: tuple[Criterion, ...]

    ALL: ClassVar[Query]

    @staticmethod
    def of(
        *types: Any,
        tags: Iterable[str] = (),
        category: str | None = None,
        occurred: Span | None = None,
        recorded: Span | None = None,
        registry: Registry = default_registry,
    ) -> Query:
        """Events of any of ``types`` (classes, unions of classes, or stored names; by default all) with all ``tags``.

        They are in streams of ``category``, and occurred, or were recorded, within a span ``(from, until)`` of aware
        moments: both ends are inclusive, and None is open. Every given part must hold.
        """
        if isinstance(tags, str):
            raise InvalidArgument(f"tags is a list of strings, not the string {tags!r}")
        return Query(
            (
                Criterion(
                    frozenset([name for event_type in types for name in registry.names_of(event_type)]),
                    frozenset(map(check_tag, tags)),
                    None if category is None else check_category(category),
                    None if occurred is None else _span(occurred, "occurred"),
                    None if recorded is None else _span(recorded, "recorded"),
                ),
            )
        )

    def __or__(self, other: Query) -> Query:
        return Query(tuple(dict.fromkeys(self.criteria + other.criteria)))

    def matches(self, recorded: RecordedEvent) -> bool:
        """Whether the event matches."""
        return any(criterion.matches(recorded) for criterion in self.criteria)

    @property
    def is_everything(self) -> bool:
        """Whether every event matches, whatever it is."""
        return Criterion() in self.criteria


Query.ALL = Query((Criterion(),))


def _span(span: Any, what: str) -> Span:
    try:
        start, end = span
    except (TypeError, ValueError):
        raise InvalidArgument(f"{what} is a pair (from, until) of aware datetimes or None, not {span!r}") from None
    return (
        None if start is None else moment.as_utc(start, f"the start of {what}"),
        None if end is None else moment.as_utc(end, f"the end of {what}"),
    )


def _within(value: datetime, span: Span) -> bool:
    start, end = span
    return (start is None or value >= start) and (end is None or value <= end)
