"""Replaying: the rows that a projection makes of events, folded in memory, beside whatever the tables hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leftfold.errors import NotSupported, ProcessorFailed
from leftfold.events import RecordedEvent
from leftfold.log.contract import Log
from leftfold.log.page_size import PageSize
from leftfold.log.select import Range
from leftfold.read.projection.fold import assign_keys, fold_page
from leftfold.read.projection.keyed import Projection
from leftfold.read.view.as_of import AsOf

LIMIT_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a replay has come: events folded so far, rows they have made, and the log read up to ``position`` of
    ``until``."""

    events: int
    rows: int
    position: int
    until: int


Progress = Callable[[Replayed], Any]


def fold_onto(
    projection: Projection[Any], rows: dict[Any, Any], events: Sequence[RecordedEvent], home: str | None
) -> ProcessorFailed | None:
    """Fold events onto rows by key, which are changed in place; what stopped it, if anything. Pure otherwise.

    ``home`` is the only category allowed, None if any is.
    """
    page = assign_keys(projection, events, home)
    folded = fold_page(projection, page, {key: rows.get(key) for key in page.all_keys()})
    for key, row in folded.rows.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return folded.failure


async def replay(
    log: Log, projection: Projection[Any], asked: AsOf, until: int, limit_rows: int, progress: Progress | None
) -> dict[Any, Any]:
    """The rows, by key, that the events which count make, up to the position ``until``, at or below the horizon.

    `ProcessorFailed` if the fold raises; `NotSupported` as soon as there are more than ``limit_rows``.
    """
    query = projection.query(log.registry)
    home = await first_category(log, projection, until)
    rows: dict[Any, Any] = {}
    done = position = 0
    async for page in log.read_settled(asked.narrow(query), 0, until, PageSize()):
        failure = fold_onto(projection, rows, page, home)
        if failure is not None:
            raise _as_replay_failure(failure, asked) from failure.__cause__
        if len(rows) > limit_rows:
            raise too_many(projection, limit_rows)
        done, position = done + len(page), page[-1].position
        if progress is not None:
            progress(Replayed(done, len(rows), position, until))
    if progress is not None and position < until:
        progress(Replayed(done, len(rows), until, until))
    return rows


async def first_category(log: Log, projection: Projection[Any], until: int) -> str | None:
    """The category that a projection is about, when it says none: that of its first event."""
    if not projection.mixes_categories:
        return None
    first = await log.read_log_page(projection.query(log.registry), Range(0, until, 1))
    return first[0].category if first else None


def too_many(projection: Projection[Any], limit_rows: int) -> NotSupported:
    """The refusal to hold more than ``limit_rows`` rows in memory."""
    return NotSupported(
        f"the past of {projection.model.__name__} has more than {limit_rows:,} rows, and as_of holds them all in "
        "memory (about half a kilobyte each while it is built): allow more with limit_rows=…, or ask for one "
        "aggregate's past with repository.get(id, at=…)"
    )


def _as_replay_failure(failure: ProcessorFailed, asked: AsOf) -> ProcessorFailed:
    """The same failure in a replay's words: a replay has no checkpoint to go on from."""
    hint = "" if asked.at is None else (
        ". With at=, an event counts by when it occurred: the log may hold an event after others that "
        "rest on it, and the fold meets those first"
    )  # fmt: skip
    return ProcessorFailed(
        failure.projection,
        failure.position,
        failure.stream,
        failure.type,
        failure.reason,
        f"This was a replay in memory, {asked}: nothing is stored, and the table is untouched{hint}",
    )
