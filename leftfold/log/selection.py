"""Which rows a query means: one statement for either dialect, driven by indexes whatever the query.

Every alternative becomes one or more *sources* of positions, each an index range in position order with a limit of its
own: one for each type, one for a tag, or the log itself. Their union's first positions are the page. So a rare type
costs what it has, not what the log has, and no planner has to guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from leftfold.events import Criterion, Query, moment
from leftfold.log.buckets import Buckets
from leftfold.log.epochs import Ground


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dialect writes: the tables' names, the columns read, the marks of a parameter and of a moment, an id."""

    events: str
    event_tags: str
    columns: str
    mark: str
    moment_mark: str
    id: Callable[[UUID], Any]
    bucket: str | None = None
    """The bucket of the events' stream, if the database can tell it."""


@dataclass(frozen=True, slots=True)
class Range:
    """after < position <= until, at most ``limit``, in either direction; nothing at all without its ``ground``.

    Streams with ids of other ``buckets`` may be left out.
    """

    after: int
    until: int
    limit: int
    backwards: bool
    ground: Ground | None = None
    buckets: Buckets | None = None

    @property
    def order(self) -> str:
        return "DESC" if self.backwards else "ASC"


@dataclass(slots=True)
class _Condition:
    """SQL and its parameters, grown together."""

    sql: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def add(self, sql: str, *parameters: Any) -> None:
        self.sql.append(sql)
        self.parameters.extend(parameters)


def select_events(query: Query, part: Range, terms: Terms) -> tuple[str, list[Any]]:
    """The statement for one page, and its parameters."""
    if query.is_everything:
        return _from_log(Criterion(), part, terms)
    sources = [source for criterion in query.criteria for source in _sources(criterion, part, terms)]
    union = " UNION ".join(f"SELECT position FROM ({sql}) AS s{number}" for number, (sql, _) in enumerate(sources))
    parameters = [value for _, values in sources for value in values]
    standing = _Condition()
    _add_ground(standing, part, terms)
    where = f"WHERE {standing.sql[0]} " if standing.sql else ""
    return (
        f"SELECT {terms.columns} FROM {terms.events} e JOIN ("
        f"SELECT position FROM ({union}) AS merged ORDER BY position {part.order} LIMIT {terms.mark}"
        f") AS page ON page.position = e.position {where}ORDER BY e.position {part.order}",
        [*parameters, part.limit, *standing.parameters],
    )


def _from_log(criterion: Criterion, part: Range, terms: Terms) -> tuple[str, list[Any]]:
    where = _in_range("e", part, terms)
    _add_filters(where, criterion, part, terms)
    _add_ground(where, part, terms)
    return (
        f"SELECT {terms.columns} FROM {terms.events} e WHERE {' AND '.join(where.sql)} "
        f"ORDER BY e.position {part.order} LIMIT {terms.mark}",
        [*where.parameters, part.limit],
    )


def _sources(criterion: Criterion, part: Range, terms: Terms) -> list[tuple[str, list[Any]]]:
    if criterion.tags:
        return [_by_tag(criterion, part, terms)]
    types: list[str | None] = [*sorted(criterion.types)]
    return [_by_type(one, criterion, part, terms) for one in types or [None]]


def _by_type(name: str | None, criterion: Criterion, part: Range, terms: Terms) -> tuple[str, list[Any]]:
    where = _in_range("e", part, terms)
    if name is not None:
        where.add(f"e.type = {terms.mark}", name)
    _add_filters(where, criterion, part, terms)
    return _source(f"SELECT e.position FROM {terms.events} e", "e", where, part, terms)


def _by_tag(criterion: Criterion, part: Range, terms: Terms) -> tuple[str, list[Any]]:
    first, *others = sorted(criterion.tags)
    where = _in_range("t", part, terms)
    where.add(f"t.tag = {terms.mark}", first)
    for tag in others:
        where.add(
            f"EXISTS (SELECT 1 FROM {terms.event_tags} o WHERE o.tag = {terms.mark} AND o.position = t.position)", tag
        )
    if criterion.types:
        where.add(f"e.type IN ({', '.join(terms.mark for _ in criterion.types)})", *sorted(criterion.types))
    _add_filters(where, criterion, part, terms)
    source = f"SELECT t.position FROM {terms.event_tags} t JOIN {terms.events} e ON e.position = t.position"
    return _source(source, "t", where, part, terms)


def _source(select: str, alias: str, where: _Condition, part: Range, terms: Terms) -> tuple[str, list[Any]]:
    sql = f"{select} WHERE {' AND '.join(where.sql)} ORDER BY {alias}.position {part.order} LIMIT {terms.mark}"
    return sql, [*where.parameters, part.limit]


def _in_range(alias: str, part: Range, terms: Terms) -> _Condition:
    condition = _Condition()
    condition.add(f"{alias}.position > {terms.mark}", part.after)
    condition.add(f"{alias}.position <= {terms.mark}", part.until)
    return condition


def _add_ground(where: _Condition, part: Range, terms: Terms) -> None:
    """Asked once for the page, in the page's own snapshot."""
    if part.ground is not None:
        where.add(
            f"EXISTS (SELECT 1 FROM {terms.events} g WHERE g.position = {terms.mark} AND g.id = {terms.mark})",
            part.ground.position,
            terms.id(part.ground.id),
        )


def _add_filters(where: _Condition, criterion: Criterion, part: Range, terms: Terms) -> None:
    """What no index of ours orders by: the category as a range of stream names, the buckets, and the two times."""
    if criterion.category is not None:
        first, below = category_range(criterion.category)
        where.add(f"e.stream >= {terms.mark}", first)
        where.add(f"e.stream < {terms.mark}", below)
    if part.buckets is not None and terms.bucket is not None:
        where.add(f"{terms.bucket} BETWEEN {terms.mark} AND {terms.mark}", *part.buckets)
    for column, span in (("occurred_at", criterion.occurred), ("recorded_at", criterion.recorded)):
        if span is not None:
            _add_span(where, column, span[0], span[1], terms)


def category_range(category: str) -> tuple[str, str]:
    """The stream names of a category: from the first up to, and without, the second."""
    return f"{category}-", f"{category}."  # "." follows "-" in ASCII


def _add_span(where: _Condition, column: str, start: datetime | None, end: datetime | None, terms: Terms) -> None:
    if start is not None:
        where.add(f"e.{column} >= {terms.moment_mark}", moment.to_text(start))
    if end is not None:
        where.add(f"e.{column} <= {terms.moment_mark}", moment.to_text(end))
