"""Inline projections: folded in the append's own transaction, so that a view shows the row as soon as append returns.

The rows that an append touches are predicted from its stream and its events alone, before it is stored. So they are
locked with everything else. After it is stored, its rows are computed again and must be the same. The row of a stream
needs no lock of its own: an append to the stream has locked it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from leftfold.database.protocol import Connection, Database, Row, Statement
from leftfold.errors import InvalidArgument, LeftfoldError, ProcessorFailed, ProcessorOutdated
from leftfold.events import Registry, moment
from leftfold.log.append import Append, RowLocks
from leftfold.log.inline.inline_set import Member, digest_of
from leftfold.log.inline.protocol import BatchRefused, StoredAppend, recorded_events
from leftfold.read.inline.fold import InlineFold, touched
from leftfold.read.model.definition import Rows
from leftfold.read.projection.fold import FoldResult, Page, changes, fold_page
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection, by_name

MOST_TRIES = 3
"""How often the rows of an append may turn out to be others than predicted."""
_REMEDY = "Nothing was written; correct the projection, or switch it to the background (projector.switch)"


class InlineProjections:
    """The projections that a log maintains inline, as a `leftfold.log.inline.protocol.Inline`."""

    def __init__(self, database: Database, registry: Registry, projections: Iterable[AnyProjection]) -> None:
        self.projections = [_foldable(projection) for projection in by_name(projections).values()]
        self.members = frozenset(Member(projection.name, projection.version) for projection in self.projections)
        self.digest = digest_of(self.members)
        self._registry = registry
        self._folds = [InlineFold(database, registry, projection) for projection in self.projections]
        self.shares_rows = any(fold.is_keyed for fold in self._folds)

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
        keys = [fold.keys_of(appends, at) for at, fold in enumerate(self._folds)]
        asked = [fold.table.fetch_statement(own) for fold, own in zip(self._folds, keys, strict=True) if own]
        with _tables_are_there():
            answers = await connection.execute_all([*first, *asked])
        fetched = iter(answers[len(first) :])
        rows = [
            fold.table.loaded(own, next(fetched)) if own else {} for fold, own in zip(self._folds, keys, strict=True)
        ]
        return answers[: len(first)], rows

    def fold(self, placed: Sequence[StoredAppend], rows: Sequence[Rows]) -> list[Statement]:
        """See `leftfold.log.inline.protocol.Inline.fold`."""
        # The rows that the stored events touch must be the ones that were locked. Say a projection has
        # key=lambda recorded: recorded.position // 100, and an append was predicted to touch row 0 and is stored at
        # position 100. Row 1 is not locked: another append may fold it at this moment, and one of both would be lost.
        pages = self._pages(placed)
        if _failure_of(pages) is not None or not self._are_locked(placed, pages):
            raise self._mispredicted(placed)
        before = [{key: fetched[key] for key in page.all_keys()} for page, fetched in zip(pages, rows, strict=True)]
        after = [fold_page(*page) for page in zip(self.projections, pages, before, strict=True)]
        if (failure := _failure_of(after)) is not None:
            # All appends of the batch were folded together. Fold them again one by one, to refuse only the bad ones. A
            # fold that fails only now and then may pass this time: then refuse the append that failed before.
            failures = self._failures(placed, before) or {_first_in(failure.stream, placed).number: failure}
            raise BatchRefused(failures, {})
        statements = []
        for fold, former, folded in zip(self._folds, before, after, strict=True):
            written, deleted = changes(former, folded.rows)
            if written:
                statements.append(fold.table.write_statement(written))
            if deleted:
                statements.append(fold.table.delete_statement(deleted))
        return statements

    def _pages(self, placed: Sequence[StoredAppend]) -> list[Page]:
        """For each projection the events that concern it, with the keys of their rows."""
        events = recorded_events(placed, self._registry)
        return [fold.page(events) for fold in self._folds]

    def _are_locked(self, placed: Sequence[StoredAppend], pages: Sequence[Page]) -> bool:
        """Whether the appends were predicted to touch these rows, so that they have locked them."""
        return all(
            page.keys == [keys for stored in placed for keys in touched(stored.append).keys[at]]
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

    def _mispredicted(self, placed: Sequence[StoredAppend]) -> BatchRefused:
        """Refuse appends whose rows cannot be computed, and let those try again that touch others than predicted.

        The next prediction knows version and moment, as they came out this time. It never knows the position, which
        will be another one at the next try.
        """
        failures: dict[int, LeftfoldError] = {}
        again: dict[int, Append] = {}
        for stored in placed:
            pages = self._pages([stored])
            if (failure := _failure_of(pages)) is not None:
                failures[stored.number] = failure
            elif not self._are_locked([stored], pages):
                corrected = self._corrected(stored)
                if corrected is None:
                    failures[stored.number] = self._undecided(stored)
                else:
                    again[stored.number] = corrected
        if not failures and not again:  # a key=… that comes out differently each time that it is computed
            failures[placed[0].number] = self._undecided(placed[0])
        return BatchRefused(failures, again)

    def _corrected(self, stored: StoredAppend) -> Append | None:
        """The append with the rows that it touched this time; None if another try would not help."""
        tries = touched(stored.append).tries
        pages = self._pages([replace(stored, positions=[0] * len(stored.append.events), start=0)])
        if tries == MOST_TRIES or _failure_of(pages) is not None or self._are_locked([stored], pages):
            return None  # `_are_locked`: without its position it touches what was predicted, so it depends on that
        return self._touching(stored.append, pages, tries + 1)

    def _failures(self, placed: Sequence[StoredAppend], before: Sequence[Rows]) -> dict[int, LeftfoldError]:
        """Which appends do not fold, each by itself.

        An append behind a failed one in the same stream or row is neither folded nor refused: it is judged at the next
        try, when the failed one is gone. Say a deposit of "x" fails: the next deposit to that row may still be fine.
        """
        rows = [dict(fetched) for fetched in before]
        failures: dict[int, LeftfoldError] = {}
        doubtful: set[Hashable] = set()
        for stored in placed:
            pages = self._pages([stored])
            places = {stored.append.stream, *((at, key) for at, page in enumerate(pages) for key in page.all_keys())}
            if not doubtful.isdisjoint(places):
                doubtful |= places
                continue
            after = [fold_page(*page) for page in zip(self.projections, pages, rows, strict=True)]
            if (failure := _failure_of(after)) is not None:
                failures[stored.number] = failure
                doubtful |= places
            else:
                rows = [folded.rows for folded in after]
        return failures

    def _undecided(self, placed: StoredAppend) -> ProcessorFailed:
        """The refusal of a key that comes out differently with each attempt."""
        pages, predicted = self._pages([placed]), touched(placed.append).keys
        keyed = [at for at, fold in enumerate(self._folds) if fold.is_keyed]
        at = next((at for at in keyed if pages[at].keys != predicted[at]), keyed[0])
        return ProcessorFailed(
            self._folds[at].name,
            None,
            placed.append.stream,
            next((event.type for event in pages[at].events), placed.append.events[0].type),
            "its key=… came out differently with each attempt, because it depends on what is not known before an event "
            "is stored (position, version, moment); to be inline it must follow from the stream and the event",
            _REMEDY,
        )


def _foldable(projection: AnyProjection) -> Projection[Any]:
    """The projection, if it can be inline; `InvalidArgument` says why it cannot."""
    if not isinstance(projection, Projection):
        raise InvalidArgument(
            f"the projection {projection.name!r} is made of statements, which do not say which rows they concern: "
            "only folds with keys, @lf.projection, can be inline"
        )
    if projection.mixes_categories:
        raise InvalidArgument(
            f"the projection {projection.name!r} says neither category=… nor key=…, so streams of different categories "
            "could share a row: to be inline it needs one of them"
        )
    return projection


def _failure_of(parts: Iterable[Page | FoldResult]) -> ProcessorFailed | None:
    """The first failure among them, without a position: the event will not be in the log."""
    failure = next((part.failure for part in parts if part.failure is not None), None)
    if failure is None:
        return None
    refusal = ProcessorFailed(failure.projection, None, failure.stream, failure.type, failure.reason, _REMEDY)
    refusal.__cause__ = failure.__cause__
    return refusal


@contextmanager
def _tables_are_there() -> Iterator[None]:
    """`ProcessorOutdated` if a table turns out to be gone."""
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
    return next(stored for stored in placed if stored.append.stream == stream)


def _provisional(append: Append) -> StoredAppend:
    """The append as if stored. Stream and events are right, version and moment are guesses, the position is 0."""
    count = len(append.events)
    return StoredAppend(0, append, max(append.expected, 0) + count, [0] * count, 0, moment.to_text(datetime.now(UTC)))
