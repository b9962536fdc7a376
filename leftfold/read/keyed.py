"""How a keyed fold is maintained: the rows of a page's keys, folded in memory, written in one upsert and one delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leftfold.database.protocol import Connection, Database
from leftfold.errors import ProjectionFailed
from leftfold.events import RecordedEvent
from leftfold.log import Log
from leftfold.read.folding import RowCache, Rows, assign_keys, changes, fold_page
from leftfold.read.maintaining import Owns
from leftfold.read.tables import ReadTable

if TYPE_CHECKING:
    from leftfold.read.projection import Projection


@dataclass(frozen=True, slots=True)
class KeyedChange:
    """How many events of a page were folded, what stopped it, and the rows of its keys before and after."""

    events: int
    failure: ProjectionFailed | None
    before: Rows
    after: Rows


class KeyedMaintainer:
    """Keeps the rows that it has used lately, so that a page need not fetch them again."""

    def __init__(
        self, projection: Projection[Any], log: Log, database: Database, table: ReadTable, owns: Owns, cached_rows: int
    ) -> None:
        self._projection = projection
        self._log = log
        self._database = database
        self._table = table
        self._owns = owns
        self._cached_rows = cached_rows
        self._cache = RowCache(cached_rows)
        self._home: str | None = None

    async def prepare(self, events: Sequence[RecordedEvent]) -> KeyedChange:
        if events and self._home is None and self._projection.mixes_categories:
            self._home = await self._first_category(events[-1].position)
        page = assign_keys(self._projection, events, self._home, self._owns)
        before = await self._rows_of(page.all_keys())
        folded = fold_page(self._projection, page, before)
        return KeyedChange(folded.events, folded.failure, before, folded.rows)

    async def write(self, connection: Connection, change: KeyedChange) -> None:
        rows, deleted = changes(change.before, change.after)
        if rows:
            await self._table.write(connection, rows)
        if deleted:
            await self._table.delete(connection, deleted)

    def settle(self, change: KeyedChange) -> None:
        self._cache.remember(change.after)

    def forget(self) -> None:
        self._cache = RowCache(self._cached_rows)

    async def _rows_of(self, keys: Sequence[Any]) -> Rows:
        rows = self._cache.known(keys)
        missing = [key for key in keys if key not in rows]
        if missing:
            async with self._database.connection() as connection:
                rows |= await self._table.fetch(connection, missing)
        return rows

    async def _first_category(self, until: int) -> str | None:
        """The category that the projection is about, when it says none: that of its first event."""
        query = self._projection.query(self._log.registry)
        first = await self._log.read_log_page(query, 0, until, 1, False)
        return first[0].category if first else None
