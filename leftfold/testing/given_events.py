"""Given these events, when a projection folds them, then these rows: the query side tested without a database.

The events come to the projection as a log would tell them: through their JSON, in streams, with positions, versions and
times. So a test cannot pass with an event that could not be stored, nor with a row that no table could give back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from leftfold.errors import InvalidArgument, ProcessorFailed
from leftfold.events import RecordedEvent, Registry, moment
from leftfold.events.new import EncodedEvent, encode_events
from leftfold.events.stream import check_stream
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.comparison import Difference, differing, key_order
from leftfold.read.view.replay import fold_onto

Model = TypeVar("Model", bound=ReadModel)

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InStream:
    """Events of one stream, from `in_stream`."""

    stream: str
    events: Sequence[Any]


def in_stream(stream: str, *events: Any) -> InStream:
    """Events and the stream they are in, for `given`: ``in_stream("BankAccount-alice", AccountOpened(…), …)``."""
    return InStream(check_stream(stream), events)


class GivenEvents:
    """A history; every ``project`` starts from its beginning."""

    def __init__(self, history: Sequence[Any], id: str, registry: Registry) -> None:
        self._id = id
        self._registry = registry
        self._events: list[tuple[str | None, EncodedEvent]] = []
        for item in history:
            stream, events = (item.stream, item.events) if isinstance(item, InStream) else (None, [item])
            self._events += [(stream, encoded) for encoded in encode_events(events, registry)]

    def project(self, projection: Projection[Model]) -> ProjectedRows[Model]:
        """Fold the events that the projection is about, in order, from no rows at all.

        Events outside `in_stream` are in a stream of the projection's category, or of the category ``Given``.
        """
        if not isinstance(projection, Projection):
            raise TypeError(f"project takes what @lf.projection has made of a function, not {projection!r}")
        query = projection.query(self._registry)
        concerned = [recorded for recorded in self._recorded(projection.category or "Given") if query.matches(recorded)]
        home = concerned[0].category if concerned and projection.mixes_categories else None
        rows: dict[Any, Model] = {}
        failure = fold_onto(projection, rows, concerned, home)
        return ProjectedRows(projection, rows, failure)

    def _recorded(self, category: str) -> Iterator[RecordedEvent]:
        """The events as a log tells them, each recorded a second after another, or when it occurred if later."""
        versions: dict[str, int] = {}
        now = _BEGINNING
        for position, (given, event) in enumerate(self._events, start=1):
            stream = given or check_stream(f"{category}-{self._id}")
            versions[stream] = versions.get(stream, 0) + 1
            now += timedelta(seconds=1)
            now = now if event.occurred_at is None else max(now, event.occurred_at)
            yield RecordedEvent(
                position,
                stream,
                versions[stream],
                event.id.bytes,
                event.type,
                event.schema_version,
                event.data,
                event.metadata,
                event.tags,
                moment.to_text(event.occurred_at or now),
                moment.to_text(now),
                self._registry,
            )


class ProjectedRows(Generic[Model]):
    """The ``rows`` that a projection has made of the events, in the order of keys, and the ``failure`` that stopped it.

    Every ``expect…`` raises AssertionError when it does not hold, and returns something to go on with.
    """

    def __init__(self, projection: Projection[Model], rows: dict[Any, Model], failure: ProcessorFailed | None) -> None:
        self.rows = sorted(rows.values(), key=key_order(projection.definition))
        self.failure = failure
        self._projection = projection
        self._by_key = rows

    def expect(self, rows: Iterable[Model]) -> Self:
        """Exactly these rows, in any order; ``[]`` for none. `InvalidArgument` for a row that no table could keep."""
        __tracebackhide__ = True
        expected = self._checked(rows)
        if self.failure is not None:
            raise AssertionError(f"expected {_counted(expected)}, but {_describe(self.failure)}") from self.failure
        different = [
            differing(expected.get(key), self._by_key.get(key), self._projection.definition)
            for key in {**expected, **self._by_key}
            if expected.get(key) != self._by_key.get(key)
        ]
        if different:
            raise AssertionError(_comparison(different))
        return self

    def expect_failure(
        self, kind: type[BaseException] = Exception, *, match: str | None = None
    ) -> ProjectedRows[Model]:
        """The fold raised an error of this kind, whose text the regular expression ``match`` finds.

        What comes back has the rows that were there before that event: ``.expect_failure(ValueError).expect([…])``.
        """
        __tracebackhide__ = True
        wanted = f"expected {kind.__name__}"
        if self.failure is None:
            raise AssertionError(f"{wanted}, but the projection folded every event{_listed('rows', self.rows)}")
        cause = self.failure.__cause__ or self.failure
        if not isinstance(cause, kind) and not isinstance(self.failure, kind):
            raise AssertionError(f"{wanted}, but {_describe(self.failure)}") from self.failure
        if match is not None and not re.search(match, self.failure.reason):
            raise AssertionError(f"{wanted} matching {match!r}, but {_describe(self.failure)}") from self.failure
        return ProjectedRows(self._projection, self._by_key, None)

    def _checked(self, rows: Iterable[Model]) -> dict[Any, Model]:
        """The expected rows by key; TypeError for what is no list of rows."""
        model = self._projection.model
        if not isinstance(rows, Iterable):
            raise TypeError(f"expect takes a list of rows, not {rows!r}: write expect([…])")
        check = self._projection.definition.checker()
        expected: dict[Any, Model] = {}
        for row in rows:
            if type(row) is not model:
                raise TypeError(f"expect takes rows of {model.__name__}, not {row!r}")
            check(row)
            key = self._projection.definition.key_of(row)
            if key in expected:
                raise InvalidArgument(f"two rows were expected for {key!r}, and a table has a single row for each key")
            expected[key] = row
        return expected


def _comparison(different: Sequence[Difference[Any]]) -> str:
    """What differs row by row: whole rows that are on one side only, and the fields of those on both."""
    lines = ["the rows differ:"]
    lines += [f"  missing:    {difference.before!r}" for difference in different if difference.after is None]
    lines += [f"  unexpected: {difference.after!r}" for difference in different if difference.before is None]
    for difference in different:
        if difference.fields:
            lines.append(f"  different:  {difference.key!r}")
        lines += [
            f"    {name}: expected {want!r}, actual {found!r}" for name, (want, found) in difference.fields.items()
        ]
    return "\n".join(lines)


def _describe(failure: ProcessorFailed) -> str:
    return f"event {failure.position}, {failure.type!r} of {failure.stream!r}, stopped it: {failure.reason}"


def _listed(title: str, rows: Sequence[Any]) -> str:
    return "\n".join([f". {title}:", *(f"  {row!r}" for row in rows)]) if rows else f". {title}: none"


def _counted(rows: dict[Any, Any]) -> str:
    return f"{len(rows) or 'no'} row{'' if len(rows) == 1 else 's'}"
