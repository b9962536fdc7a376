"""The maintainer of a keyed fold: rows of a page's keys, folded in memory, written in one upsert and one delete."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from leftfold.database.protocol import Connection, Database
from leftfold.errors import ProcessorFailed
from leftfold.events import RecordedEvent
from leftfold.follow.checkpoints.parked import ParkedEvent, ParkedEvents, key_text, parked
from leftfold.follow.processor import Owns
from leftfold.log.contract import Log
from leftfold.log.select import Range
from leftfold.read.model.definition import Rows
from leftfold.read.projection.fold import assign_keys, changes, fold_or_park, fold_page
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.table import ReadTable

_KEYS_TO_A_ROW = 5
"""For each row that may be cached, so many keys are remembered as the partition's own or not."""


@dataclass(frozen=True, slots=True)
class KeyedChange:
    """How many events of a page were folded, what stopped it, and the rows of its keys before and after."""

    events: int
    failure: ProcessorFailed | None
    before: Rows
    after: Rows
    parked: Sequence[ParkedEvent] = ()


class KeyedMaintainer:
    """Caches the rows that it has used lately, so that a page need not fetch them again."""

    def __init__(
        self,
        projection: Projection[Any],
        log: Log,
        database: Database,
        table: ReadTable,
        generation: int,
        owns: Owns,
        cached_rows: int,
    ) -> None:
        self._projection = projection
        self._log = log
        self._database = database
        self._table = table
        self._generation = generation
        self._parked = ParkedEvents(database)
        self._parked_keys: set[str] | None = None
        self._is_ours = None if owns is None else _remembering(projection, owns, _KEYS_TO_A_ROW * cached_rows)
        self._cached_rows = cached_rows
        self._cache = RowCache(cached_rows)
        self._home: str | None = None

    async def prepare(self, events: Sequence[RecordedEvent]) -> KeyedChange:
        if events and self._home is None and self._projection.mixes_categories:
            self._home = await self._first_category(events[-1].position)
        page = assign_keys(self._projection, events, self._home, self._is_ours)
        before = await self._rows_of(page.all_keys())
        if self._projection.on_failure != "park":
            folded = fold_page(self._projection, page, before)
            return KeyedChange(folded.events, folded.failure, before, folded.rows)
        texts = {key: key_text(self._projection.definition.canonical_key(key)) for key in before}
        waiting = await self._keys_with_parked_events()
        folded = fold_or_park(self._projection, page, before, {key for key, text in texts.items() if text in waiting})
        to_park = [parked(texts[key], recorded, error) for key, recorded, error in folded.parked]
        return KeyedChange(folded.events, folded.failure, before, folded.rows, to_park)

    async def write(self, connection: Connection, change: KeyedChange) -> None:
        rows, deleted = changes(change.before, change.after)
        if rows:
            await self._table.write(connection, rows)
        if deleted:
            await self._table.delete(connection, deleted)
        if change.parked:
            await self._parked.park(connection, self._projection.name, self._generation, change.parked)

    def committed(self, change: KeyedChange) -> None:
        self._cache.remember(change.after)
        if self._parked_keys is not None:
            self._parked_keys |= {event.key for event in change.parked}

    def forget(self) -> None:
        self._cache = RowCache(self._cached_rows)
        self._parked_keys = None

    async def _keys_with_parked_events(self) -> set[str]:
        """Remembered from page to page: an act that unparks events raises the fences, and so this is forgotten."""
        if self._parked_keys is None:
            async with self._database.connection() as connection:
                self._parked_keys = await self._parked.keys(connection, self._projection.name, self._generation)
        return self._parked_keys

    async def _rows_of(self, keys: Sequence[Any]) -> Rows:
        rows = self._cache.known(keys)
        missing = [key for key in keys if key not in rows]
        if missing:
            async with self._database.connection() as connection:
                rows |= await self._table.fetch(connection, missing)
        return rows

    async def _first_category(self, until: int) -> str | None:
        """The category of a projection that names none: that of its first event."""
        query = self._projection.query(self._log.registry)
        first = await self._log.read_log_page(query, Range(0, until, 1))
        return first[0].category if first else None


def _remembering(
    projection: Projection[Any], owns: Callable[[Sequence[Any]], bool], keys: int
) -> Callable[[Any], bool]:
    """Cached: to compute a key's bucket costs more than to fold an event, and most keys come again."""
    canonical = projection.definition.canonical_key
    return lru_cache(keys)(lambda key: owns(canonical(key)))


class RowCache:
    """Rows from page to page, without the least recently used ones; None for a key that is known to have no row."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: OrderedDict[Any, Any] = OrderedDict()

    def known(self, keys: Iterable[Any]) -> Rows:
        """The cached rows of these keys."""
        return {key: self._rows[key] for key in keys if key in self._rows}

    def remember(self, rows: Rows) -> None:
        """Cache rows as they are in the table now."""
        self._rows.update(rows)
        for key in rows:
            self._rows.move_to_end(key)
        while len(self._rows) > self._limit:
            self._rows.popitem(last=False)
