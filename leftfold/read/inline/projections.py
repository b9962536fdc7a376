"""Inline projections: folded in the append's own transaction, so that a view shows the row as soon as append returns.

Which rows an append concerns is told from its stream and its events alone, before it is stored, so that they can be
locked with everything else; afterwards it is told again from what was stored, and must be the same. The row of a stream
needs no lock of its own: whoever appends to the stream has locked it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import msgspec

from leftfold.database.protocol import Connection, Database, Row, Statement
from leftfold.errors import InvalidArgument, LeftfoldError, ProcessorFailed, ProcessorOutdated
from leftfold.events import RecordedEvent, Registry, moment
from leftfold.log.append import Append, RowLocks
from leftfold.log.inline.inline_set import Member, digest_of
from leftfold.log.inline.protocol import BatchRefused, StoredAppend, recorded_events
from leftfold.read.model.definition import Rows
from leftfold.read.projection.fold import FoldResult, Page, assign_keys, changes, fold_page
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection, by_name
from leftfold.read.tables.tables import table_in

MOST_TRIES = 3
"""How often the rows of an append may turn out to be others than was told."""
_REMEDY = "Nothing was written; correct the projection, or switch it to the background (projector.switch)"


class InlineProjections:
    """What a log maintains inline: what `leftfold.log.inline.protocol.Inline` asks for."""

    def __init__(self, database: Database, registry: Registry, projections: Iterable[AnyProjection]) -> None:
        self.projections = [_foldable(one) for one in by_name(projections).values()]
        self.members = frozenset(Member(one.name, one.version) for one in self.projections)
        self.digest = digest_of(self.members)
        self._registry = registry
        self._folds = [_Fold(database, registry, one) for one in self.projections]
        self.shares_rows = any(one.is_keyed for one in self._folds)

    def with_row_locks(self, append: Append) -> Append:
        """See `leftfold.log.inline.protocol.Inline.with_row_locks`."""
        if not self.shares_rows:
            return append
        pages = self._pages([_provisional(append)])
        if (failure := _failure_of(pages)) is not None:
            raise failure
        return self._touching(append, pages, tries=1)

    async def fetch(
        self, connection: Connection, appends: Sequence[Append], first: Sequence[Statement] = ()
    ) -> tuple[list[list[Row]], Sequence[Rows]]:
        """See `leftfold.log.inline.protocol.Inline.fetch`."""
        keys = [one.keys_of(appends, at) for at, one in enumerate(self._folds)]
        asked = [one.table.fetch_statement(of_one) for one, of_one in zip(self._folds, keys, strict=True) if of_one]
        with _tables_are_there():
            answers = await connection.execute_all([*first, *asked])
        fetched = iter(answers[len(first) :])
        rows = [
            one.table.loaded(of_one, next(fetched)) if of_one else {}
            for one, of_one in zip(self._folds, keys, strict=True)
        ]
        return answers[: len(first)], rows

    def fold(self, placed: Sequence[StoredAppend], rows: Sequence[Rows]) -> list[Statement]:
        """See `leftfold.log.inline.protocol.Inline.fold`."""
        pages = self._pages(placed)
        if _failure_of(pages) is not None or not self._were_told(placed, pages):
            raise self._misjudged(placed)
        before = [{key: fetched[key] for key in page.all_keys()} for page, fetched in zip(pages, rows, strict=True)]
        after = [fold_page(*of_one) for of_one in zip(self.projections, pages, before, strict=True)]
        if (failure := _failure_of(after)) is not None:
            raise BatchRefused(
                self._failures(placed, before) or {_first_in(failure.stream, placed).number: failure}, {}
            )
        statements = []
        for fold, former, folded in zip(self._folds, before, after, strict=True):
            written, deleted = changes(former, folded.rows)
            if written:
                statements.append(fold.table.write_statement(written))
            if deleted:
                statements.append(fold.table.delete_statement(deleted))
        return statements

    def _pages(self, placed: Sequence[StoredAppend]) -> list[Page]:
        """What appends mean to each projection."""
        events = recorded_events(placed, self._registry)
        return [one.page(events) for one in self._folds]

    def _were_told(self, placed: Sequence[StoredAppend], pages: Sequence[Page]) -> bool:
        """Whether these are the rows that the appends were said to touch, which are locked."""
        return all(
            page.keys == [keys for one in placed for keys in _touched(one.append).keys[at]]
            for at, (fold, page) in enumerate(zip(self._folds, pages, strict=True))
            if fold.is_keyed
        )

    def _touching(self, append: Append, pages: Sequence[Page], tries: int) -> Append:
        locks = {
            fold.lock(key)
            for fold, page in zip(self._folds, pages, strict=True)
            if fold.is_keyed
            for key in page.all_keys()
        }
        return append._replace(row_locks=RowLocks(tuple(sorted(locks)), [page.keys for page in pages], tries))

    def _misjudged(self, placed: Sequence[StoredAppend]) -> BatchRefused:
        """Whose rows cannot be told at all, and who touches others than was told, and may try again with these.

        What is told anew follows from the version and the moment that came out, too, and never from the position.
        """
        failures: dict[int, LeftfoldError] = {}
        moved: dict[int, Append] = {}
        for one in placed:
            pages, tries = self._pages([one]), _touched(one.append).tries
            if (failure := _failure_of(pages)) is not None:
                failures[one.number] = failure
            elif not self._were_told([one], pages):
                again = self._pages([replace(one, positions=[0] * len(one.append.events), start=0)])
                if tries == MOST_TRIES or _failure_of(again) is not None or self._were_told([one], again):
                    failures[one.number] = self._undecided(one)
                else:
                    moved[one.number] = self._touching(one.append, again, tries + 1)
        if not failures and not moved:  # a key=… that comes out differently each time that it is asked
            failures[placed[0].number] = self._undecided(placed[0])
        return BatchRefused(failures, moved)

    def _failures(self, placed: Sequence[StoredAppend], before: Sequence[Rows]) -> dict[int, LeftfoldError]:
        """Which appends do not fold. What comes after one in its stream or its rows is judged again when it is gone."""
        rows = [dict(one) for one in before]
        failures: dict[int, LeftfoldError] = {}
        doubtful: set[Hashable] = set()
        for one in placed:
            pages = self._pages([one])
            places = {one.append.stream, *((at, key) for at, page in enumerate(pages) for key in page.all_keys())}
            after = [fold_page(*of_one) for of_one in zip(self.projections, pages, rows, strict=True)]
            if not doubtful.isdisjoint(places):
                doubtful |= places
            elif (failure := _failure_of(after)) is not None:
                failures[one.number] = failure
                doubtful |= places
            else:
                rows = [folded.rows for folded in after]
        return failures

    def _undecided(self, placed: StoredAppend) -> ProcessorFailed:
        """The refusal of a key that comes out differently with every attempt."""
        pages, told = self._pages([placed]), _touched(placed.append).keys
        keyed = [at for at, fold in enumerate(self._folds) if fold.is_keyed]
        at = next((at for at in keyed if pages[at].keys != told[at]), keyed[0])
        return ProcessorFailed(
            self._folds[at].name,
            None,
            placed.append.stream,
            next((event.type for event in pages[at].events), placed.append.events[0].type),
            "its key=… came out differently with each attempt, because it depends on what is not known before an event "
            "is stored (position, version, moment); to be inline it must follow from the stream and the event",
            _REMEDY,
        )


class _Fold:
    """One inline projection."""

    def __init__(self, database: Database, registry: Registry, projection: Projection[Any]) -> None:
        self.name = projection.name
        self.table = table_in(database, projection.definition, "live")
        self.is_keyed = projection.key is not None
        self._projection = projection
        [criterion] = projection.query(registry).criteria
        self._types = criterion.types
        self._start = "" if criterion.category is None else f"{criterion.category}-"

    def page(self, events: Sequence[RecordedEvent]) -> Page:
        """Those of the events that concern it, with the keys of their rows."""
        start, types = self._start, self._types
        concerned = [one for one in events if one.stream.startswith(start) and (not types or one.type in types)]
        if self.is_keyed:
            return assign_keys(self._projection, concerned, None)
        return Page(concerned, [(one.stream[len(start) :],) for one in concerned], None)

    def keys_of(self, appends: Sequence[Append], at: int) -> list[Any]:
        """The rows that appends concern, as they were told; this is the fold number ``at``."""
        if self.is_keyed:
            return list(dict.fromkeys(key for one in appends for keys in _touched(one).keys[at] for key in keys))
        start, types = self._start, self._types
        streams = (
            one.stream
            for one in appends
            if one.stream.startswith(start) and (not types or any(event.type in types for event in one.events))
        )
        return [stream[len(start) :] for stream in dict.fromkeys(streams)]

    def lock(self, key: Any) -> int:
        """A hash of a row's key, the same in every process, however the key is written."""
        kept = self._projection.definition.canonical_key(key)
        return crc32(msgspec.json.encode([self.name, *kept])) - 2**31


def _foldable(projection: AnyProjection) -> Projection[Any]:
    """The projection, if it can be inline; `InvalidArgument` says why it cannot."""
    if not isinstance(projection, Projection):
        raise InvalidArgument(
            f"the projection {projection.name!r} is made of statements, and nobody could tell which rows they concern: "
            "only folds with keys, @lf.projection, can be inline"
        )
    if projection.mixes_categories:
        raise InvalidArgument(
            f"the projection {projection.name!r} says neither category=… nor key=…, so streams of different categories "
            "could share a row: to be inline it needs one of them"
        )
    return projection


def _failure_of(parts: Iterable[Page | FoldResult]) -> ProcessorFailed | None:
    """What stopped the first of them that was stopped, without a position, because there is no event."""
    failure = next((one.failure for one in parts if one.failure is not None), None)
    if failure is None:
        return None
    refusal = ProcessorFailed(failure.projection, None, failure.stream, failure.type, failure.reason, _REMEDY)
    refusal.__cause__ = failure.__cause__
    return refusal


@contextmanager
def _tables_are_there() -> Iterator[None]:
    """`ProcessorOutdated` if one of them turns out to be gone."""
    try:
        yield
    except Exception as error:
        if getattr(error, "sqlstate", None) != "42P01" and "no such table" not in str(error):
            raise
        raise ProcessorOutdated(
            f"the table of an inline projection is gone ({str(error).splitlines()[0]}): switch it to "
            "the background (projector.switch), rebuild it (projector.reset, projector.catch_up), and switch it to "
            "inline again"
        ) from error


def _first_in(stream: str, placed: Sequence[StoredAppend]) -> StoredAppend:
    return next(one for one in placed if one.append.stream == stream)


def _touched(append: Append) -> RowLocks:
    assert append.row_locks is not None, "an append knows its rows before it is stored"
    return append.row_locks


def _provisional(append: Append) -> StoredAppend:
    """Where it would stand, as far as that is known before: a guess, but for the stream and the events."""
    count = len(append.events)
    return StoredAppend(0, append, max(append.expected, 0) + count, [0] * count, 0, moment.to_text(datetime.now(UTC)))
