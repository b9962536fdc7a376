"""The middle of a projector, pure: a page of events and the rows they concern, folded to the rows after it.

An event is folded whole or not at all. Where an event fails, the fold stops in front of it; earlier events stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from leftfold.errors import InvalidArgument, ProcessorFailed
from leftfold.events import RecordedEvent
from leftfold.read.model.definition import Rows
from leftfold.read.projection.keyed import Projection


@dataclass(frozen=True, slots=True)
class Page:
    """Events of one page, each with the keys that it concerns, up to the first whose keys cannot be told."""

    events: Sequence[RecordedEvent]
    keys: Sequence[Sequence[Any]]
    failure: ProcessorFailed | None

    def all_keys(self) -> list[Any]:
        """Every key once, in the order of their first events."""
        return list(dict.fromkeys(key for keys in self.keys for key in keys))


@dataclass(frozen=True, slots=True)
class FoldResult:
    """How many events of a page were folded, the rows of all its keys after that, and the failure that stopped it.

    ``parked`` are the events that were set aside for a key, in order, the first of each key with its error.
    """

    events: int
    rows: Rows
    failure: ProcessorFailed | None
    parked: Sequence[tuple[Any, RecordedEvent, Exception | None]] = ()


def assign_keys(
    projection: Projection[Any],
    events: Sequence[RecordedEvent],
    home: str | None,
    is_ours: Callable[[Any], bool] | None = None,
) -> Page:
    """The keys of the rows that each event concerns, of those that are ours.

    ``home`` is the only category allowed, None if any is.
    """
    keys: list[Sequence[Any]] = []
    prefix = "" if home is None else f"{home}-"
    for recorded in events:
        try:
            if not recorded.stream.startswith(prefix):
                raise InvalidArgument(
                    f"it is of category {recorded.category!r}, and those before it of {home!r}: ids of both would "
                    "share rows; give the projection a category=…, or a key=… that tells them apart"
                )
            concerned = projection.keys_of(recorded)
            if is_ours is not None:
                one_of_others = len(concerned) == 1 and not is_ours(concerned[0])
                concerned = () if one_of_others else [key for key in concerned if is_ours(key)]
            keys.append(concerned)
        except Exception as error:
            return Page(events[: len(keys)], keys, failed(projection.name, recorded, error))
    return Page(events, keys, None)


def fold_page(projection: Projection[Any], page: Page, before: Rows) -> FoldResult:
    """Fold a page; ``before`` has a row or None for every key of the page, and is left as it is."""
    rows = dict(before)
    evolve = projection.evolve
    for done, (recorded, keys) in enumerate(zip(page.events, page.keys, strict=True)):
        if not keys:
            continue
        try:
            after = [evolve(rows[key], recorded, key) for key in keys]
        except Exception as error:
            return FoldResult(done, rows, failed(projection.name, recorded, error))
        for key, row in zip(keys, after, strict=True):
            rows[key] = row
    return FoldResult(len(page.events), rows, page.failure)


def fold_or_park(projection: Projection[Any], page: Page, before: Rows, parked: Set[Any]) -> FoldResult:
    """Fold a page, but where a key's fold fails, set the event aside, and the key's later events behind it.

    ``parked`` are the keys that have events set aside already.
    """
    rows, aside = dict(before), set(parked)
    evolve = projection.evolve
    found: list[tuple[Any, RecordedEvent, Exception | None]] = []
    for recorded, keys in zip(page.events, page.keys, strict=True):
        for key in keys:
            if key in aside:
                found.append((key, recorded, None))
                continue
            try:
                rows[key] = evolve(rows[key], recorded, key)
            except Exception as error:
                aside.add(key)
                found.append((key, recorded, error))
    return FoldResult(len(page.events), rows, page.failure, found)


def changes(before: Rows, after: Rows) -> tuple[list[Any], list[Any]]:
    """The rows to write, and the keys of the rows to delete."""
    changed = [(key, row) for key, row in after.items() if row is not before[key]]
    return [row for _, row in changed if row is not None], [key for key, row in changed if row is None]


def failed(projection: str, recorded: RecordedEvent, error: Exception) -> ProcessorFailed:
    """The error for an event that could not be applied."""
    reason = str(error) if isinstance(error, InvalidArgument) else f"{type(error).__name__}: {error}"
    failure = ProcessorFailed(projection, recorded.position, recorded.stream, recorded.type, reason)
    failure.__cause__ = error
    return failure
