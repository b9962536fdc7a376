"""A projection's query as text, so that tools can count what it lags behind without its code."""

from __future__ import annotations

import msgspec

from leftfold.events import Query, moment
from leftfold.events.query import Criterion, Span


class _Criterion(msgspec.Struct, omit_defaults=True):
    types: list[str] = []
    tags: list[str] = []
    category: str | None = None
    occurred: tuple[str | None, str | None] | None = None
    recorded: tuple[str | None, str | None] | None = None


def query_text(query: Query) -> str:
    """As JSON; the same text for the same query."""
    criteria = [
        _Criterion(sorted(one.types), sorted(one.tags), one.category, _told(one.occurred), _told(one.recorded))
        for one in query.criteria
    ]
    return msgspec.json.encode(criteria).decode()


def query_of_text(text: str) -> Query:
    """What `query_text` has told."""
    criteria = msgspec.json.decode(text, type=list[_Criterion])
    return Query(
        tuple(
            Criterion(frozenset(one.types), frozenset(one.tags), one.category, _span(one.occurred), _span(one.recorded))
            for one in criteria
        )
    )


def _told(span: Span | None) -> tuple[str | None, str | None] | None:
    if span is None:
        return None
    start, end = (None if one is None else moment.to_text(one) for one in span)
    return start, end


def _span(told: tuple[str | None, str | None] | None) -> Span | None:
    if told is None:
        return None
    start, end = (None if one is None else moment.from_stored(one) for one in told)
    return start, end
