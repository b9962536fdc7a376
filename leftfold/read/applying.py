"""How one projection is applied: where it stands, what it remembers from page to page, and one page after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from leftfold.errors import SchemaOutdated
from leftfold.events import RecordedEvent
from leftfold.log import Log
from leftfold.log.paging import PageSize
from leftfold.log.standing import Standing
from leftfold.read.checkpoint import Checkpoints, Stored
from leftfold.read.folding import Folded, RowCache, Rows, assign_keys, changes, fold_page
from leftfold.read.projection import Projection
from leftfold.read.tables import table_in

logger = logging.getLogger("leftfold")


class Applier:
    """One projection over one log. One run uses it at a time."""

    def __init__(self, log: Log, projection: Projection[Any], page_events: int, cached_rows: int) -> None:
        self._log = log
        self._database = log.database
        self._projection = projection
        self._query = projection.query(log.registry)
        self._checkpoints = Checkpoints(log.database, projection.name, projection.version)
        self._table = table_in(log.database, projection.definition)
        self._size = PageSize(most=page_events)
        self._cached_rows = cached_rows
        self._cache = RowCache(cached_rows)
        self._seen: Stored | None = None
        self._home: str | None = None

    async def catch_up(self) -> tuple[int, int]:
        """Apply the events up to the head as of now: how many were folded, and the position then.

        `ProjectionFailed`, `EpochChanged`, `SchemaOutdated`.
        """
        applied = 0
        seen, standing, head = await self._resume()
        while standing.position < head:
            size = self._size.next
            events = await self._log.read_log_page(self._query, standing.position, head, size, False, standing.ground)
            self._size.note(events)
            folded, moved = await self._apply(seen, standing, events, is_last=len(events) < size)
            if moved is None:
                seen, standing, head = await self._resume()
                continue
            seen = self._seen = moved
            applied += folded.events
            if folded.failure is not None:
                raise folded.failure
        return applied, standing.position

    async def reset(self) -> None:
        """Drop rows and checkpoint and begin with an empty table, in one transaction."""
        async with self._database.transaction() as connection:
            had_begun = await self._checkpoints.restart(connection)
            existing = await self._table.existing(connection)
            if existing and not had_begun and existing != self._table.expected():
                raise SchemaOutdated(
                    f"the table {self._table.name} is not one that the projection {self._projection.name!r} has made, "
                    "so it is not dropped: drop it yourself, or give the read model another with table=…"
                )
            await self._table.drop(connection)
            await self._table.create(connection)

    async def _resume(self) -> tuple[Stored, Standing, int]:
        """Where the projection stands now, and the head. Rows remembered from anywhere else are forgotten."""
        async with self._database.connection() as connection:
            found = await self._checkpoints.load(connection)
            known = found is not None and found == self._seen
            ready = known or (found is not None and found.rebuild is None and await self._table.check(connection))
        if not known:
            self._cache = RowCache(self._cached_rows)
        if found is not None and found.rebuild is not None:
            logger.warning("projection %r is rebuilt from history: %s", self._projection.name, found.rebuild)
            await self.reset()
        self._seen = found if found is not None and ready else await self._begin()
        standing = self._seen.standing_in(self._log, self._projection.name)
        head = await standing.head()
        if self._projection.mixes_categories and self._home is None:
            self._home = await self._first_category(head)
        return self._seen, standing, head

    async def _begin(self) -> Stored:
        """Make checkpoint and table, together; `SchemaOutdated` if only one of them is there already."""
        async with self._database.transaction() as connection:
            begun = await self._checkpoints.create(connection)
            exists = await self._table.check(connection)
            if exists and begun and not await self._table.is_empty(connection):
                raise self._unfit("has rows, but no checkpoint says up to which event; applying events again would "
                                  "count them twice")  # fmt: skip
            if not exists and not begun:
                raise self._unfit("is gone, but its checkpoint is not")
            if not exists:
                await self._table.create(connection)
            found = await self._checkpoints.load(connection)
        return found or await self._begin()  # reset at this very moment

    async def _first_category(self, head: int) -> str | None:
        """The category that the projection is about, when it says none: that of its first event."""
        first = await self._log.read_log_page(self._query, 0, head, 1, False)
        return first[0].category if first else None

    async def _apply(
        self, seen: Stored, standing: Standing, events: Sequence[RecordedEvent], *, is_last: bool
    ) -> tuple[Folded, Stored | None]:
        """Fold a page and write what it changed; no checkpoint if another projector has moved it meanwhile."""
        page = assign_keys(self._projection, events, self._home)
        before = await self._rows_of(page.all_keys())
        folded = fold_page(self._projection, page, before)
        if is_last and folded.failure is None:
            standing.reached()
        elif folded.events:
            standing.passed(events[folded.events - 1])
        moved = await self._write(seen, standing, before, folded.rows)
        if moved is not None:
            self._cache.remember(folded.rows)
        return folded, moved

    async def _write(self, seen: Stored, standing: Standing, before: Rows, after: Rows) -> Stored | None:
        rows, deleted = changes(before, after)
        async with self._database.transaction() as connection:
            moved = await self._checkpoints.move(connection, seen, standing)
            if moved is not None and rows:
                await self._table.write(connection, rows)
            if moved is not None and deleted:
                await self._table.delete(connection, deleted)
        return moved

    async def _rows_of(self, keys: Sequence[Any]) -> Rows:
        rows = self._cache.known(keys)
        missing = [key for key in keys if key not in rows]
        if missing:
            async with self._database.connection() as connection:
                rows |= await self._table.fetch(connection, missing)
        return rows

    def _unfit(self, what: str) -> SchemaOutdated:
        name = self._projection.name
        return SchemaOutdated(
            f"the table {self._table.name} of projection {name!r} (version {self._projection.version}) {what}. Rebuild "
            f"it from history: projector.reset({name!r}), then projector.catch_up()"
        )
