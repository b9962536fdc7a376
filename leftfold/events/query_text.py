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
        _Criterion(
            sorted(criterion.types),
            sorted(criterion.tags),
            criterion.category,
            _as_json(criterion.occurred),
            _as_json(criterion.recorded),
        )
        for criterion in query.criteria
    ]
    return msgspec.json.encode(criteria).decode()


def query_of_text(text: str) -> Query:
    """The query that `query_text` has written."""
    criteria = msgspec.json.decode(text, type=list[_Criterion])
    return Query(
        tuple(
            Criterion(
                frozenset(criterion.types),
                frozenset(criterion.tags),
                criterion.category,
                _span(criterion.occurred),
                _span(criterion.recorded),
            )
            for criterion in criteria
        )
    )


def _as_json(span: Span | None) -> tuple[str | None, str | None] | None:
    if span is None:
        return None
    start, end = (None if side is None else moment.to_text(side) for side in span)
    return start, end


def _span(text: tuple[str | None, str | None] | None) -> Span | None:
    if text is None:
        return None
    start, end = (None if side is None else moment.from_stored(side) for side in text)
    return start, end
