"""Which rows a query means: one statement for either dialect, driven by indexes whatever the query.

Every alternative becomes one or more *sources* of positions: a source for each type, a source for a tag, or the log
itself. Each is an index range in position order, with a limit. The first positions of their union are the page. So
a rare type costs what it has, not what the log has, and no planner has to guess. Buckets are compared on the page
alone: events of other buckets are no reason to look further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from leftfold.events import Query, moment
from leftfold.events.query import Criterion
from leftfold.log.buckets import Buckets
from leftfold.log.epochs import Anchor

Columns = Literal["all", "fold"]
"""What is read of events: everything, or what a fold needs (no id, metadata, tags and times worth looking at)."""


@dataclass(frozen=True, slots=True)
class SqlDialect:
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
    """after < position <= until, at most ``limit``, in either direction; nothing at all without its ``anchor``.

    Events whose streams' ids are not in ``buckets`` may be left out, but for the page's last.
    """

    after: int
    until: int
    limit: int
    backwards: bool = False
    anchor: Anchor | None = None
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


def select_events(query: Query, part: Range, dialect: SqlDialect) -> tuple[str, list[Any]]:
    """The statement for one page, and its parameters."""
    criteria = query.criteria or (Criterion(),)
    if len(criteria) == 1 and not criteria[0].tags and len(criteria[0].types) <= 1:
        return _from_log(criteria[0], part, dialect)
    sources = [source for criterion in criteria for source in _sources(criterion, part, dialect)]
    union = " UNION ".join(f"SELECT position FROM ({sql}) AS s{number}" for number, (sql, _) in enumerate(sources))
    page = f"SELECT position FROM ({union}) AS merged ORDER BY position {part.order} LIMIT {dialect.mark}"
    where = _Condition()
    _add_anchor(where, part, dialect)
    if _leaves_out(part, dialect):
        page = f"SELECT position, {_last_of(part)} FROM ({page}) AS page"
        _add_buckets(where, "page.last", part, dialect)
    joined = f"WHERE {' AND '.join(where.sql)} " if where.sql else ""
    return (
        f"SELECT {dialect.columns} FROM {dialect.events} e JOIN ({page}) AS page ON page.position = e.position "
        f"{joined}ORDER BY e.position {part.order}",
        [*(value for _, values in sources for value in values), part.limit, *where.parameters],
    )


def _from_log(criterion: Criterion, part: Range, dialect: SqlDialect) -> tuple[str, list[Any]]:
    """The rows of a single source are the page."""
    where = _of_types(criterion.types, criterion, part, dialect)
    _add_anchor(where, part, dialect)
    page = f"WHERE {' AND '.join(where.sql)} ORDER BY e.position {part.order} LIMIT {dialect.mark}"
    parameters = [*where.parameters, part.limit]
    if not _leaves_out(part, dialect):
        return f"SELECT {dialect.columns} FROM {dialect.events} e {page}", parameters
    own = _Condition()
    _add_buckets(own, "e.last", part, dialect)
    whole = f"SELECT e.*, {_last_of(part)} FROM (SELECT e.* FROM {dialect.events} e {page}) AS e"
    return (
        f"SELECT {dialect.columns} FROM ({whole}) AS e WHERE {own.sql[0]} ORDER BY e.position {part.order}",
        [*parameters, *own.parameters],
    )


def _leaves_out(part: Range, dialect: SqlDialect) -> bool:
    return part.buckets is not None and dialect.bucket is not None


def _last_of(part: Range) -> str:
    """The position of a page's last row, beside each of its rows."""
    return f"{'min' if part.backwards else 'max'}(position) OVER () AS last"


def _add_buckets(where: _Condition, last: str, part: Range, dialect: SqlDialect) -> None:
    assert part.buckets is not None, "nothing is left out"
    where.add(f"({dialect.bucket} BETWEEN {dialect.mark} AND {dialect.mark} OR e.position = {last})", *part.buckets)


def _sources(criterion: Criterion, part: Range, dialect: SqlDialect) -> list[tuple[str, list[Any]]]:
    if criterion.tags:
        return [_by_tag(criterion, part, dialect)]
    types: list[str | None] = [*sorted(criterion.types)]
    return [_by_type(type, criterion, part, dialect) for type in types or [None]]


def _by_type(name: str | None, criterion: Criterion, part: Range, dialect: SqlDialect) -> tuple[str, list[Any]]:
    where = _of_types([] if name is None else [name], criterion, part, dialect)
    return _source(f"SELECT e.position FROM {dialect.events} e", "e", where, part, dialect)


def _of_types(types: Iterable[str], criterion: Criterion, part: Range, dialect: SqlDialect) -> _Condition:
    """A walk along the index of the type, or of the positions if there is none."""
    where = _in_range("e", part, dialect)
    for name in types:
        where.add(f"e.type = {dialect.mark}", name)
    _add_filters(where, criterion, dialect)
    return where


def _by_tag(criterion: Criterion, part: Range, dialect: SqlDialect) -> tuple[str, list[Any]]:
    first, *others = sorted(criterion.tags)
    where = _in_range("t", part, dialect)
    where.add(f"t.tag = {dialect.mark}", first)
    for tag in others:
        where.add(
            f"EXISTS (SELECT 1 FROM {dialect.event_tags} o WHERE o.tag = {dialect.mark} AND o.position = t.position)",
            tag,
        )
    if criterion.types:
        where.add(f"e.type IN ({', '.join(dialect.mark for _ in criterion.types)})", *sorted(criterion.types))
    _add_filters(where, criterion, dialect)
    source = f"SELECT t.position FROM {dialect.event_tags} t JOIN {dialect.events} e ON e.position = t.position"
    return _source(source, "t", where, part, dialect)


def _source(select: str, alias: str, where: _Condition, part: Range, dialect: SqlDialect) -> tuple[str, list[Any]]:
    sql = f"{select} WHERE {' AND '.join(where.sql)} ORDER BY {alias}.position {part.order} LIMIT {dialect.mark}"
    return sql, [*where.parameters, part.limit]


def _in_range(alias: str, part: Range, dialect: SqlDialect) -> _Condition:
    condition = _Condition()
    condition.add(f"{alias}.position > {dialect.mark}", part.after)
    condition.add(f"{alias}.position <= {dialect.mark}", part.until)
    return condition


def _add_anchor(where: _Condition, part: Range, dialect: SqlDialect) -> None:
    """Compare the anchor once for the page, in the page's own snapshot."""
    if part.anchor is not None:
        where.add(
            f"EXISTS (SELECT 1 FROM {dialect.events} g WHERE g.position = {dialect.mark} AND g.id = {dialect.mark})",
            part.anchor.position,
            dialect.id(part.anchor.id),
        )


def _add_filters(where: _Condition, criterion: Criterion, dialect: SqlDialect) -> None:
    """What no index of ours orders by: the category as a range of stream names, and the two times."""
    if criterion.category is not None:
        first, below = category_range(criterion.category)
        where.add(f"e.stream >= {dialect.mark}", first)
        where.add(f"e.stream < {dialect.mark}", below)
    for column, span in (("occurred_at", criterion.occurred), ("recorded_at", criterion.recorded)):
        if span is not None:
            _add_span(where, column, span[0], span[1], dialect)


def category_range(category: str) -> tuple[str, str]:
    """The stream names of a category: from the first up to, and without, the second."""
    return f"{category}-", f"{category}."  # "." follows "-" in ASCII


def _add_span(
    where: _Condition, column: str, start: datetime | None, end: datetime | None, dialect: SqlDialect
) -> None:
    if start is not None:
        where.add(f"e.{column} >= {dialect.moment_mark}", moment.to_text(start))
    if end is not None:
        where.add(f"e.{column} <= {dialect.moment_mark}", moment.to_text(end))
