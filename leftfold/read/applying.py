"""How one projection is applied: where it stands, what it remembers from page to page, and one page after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from leftfold.errors import SchemaOutdated
from leftfold.events import Query, RecordedEvent
from leftfold.log import Log
from leftfold.log.paging import PageSize
from leftfold.read.checkpoint import Checkpoint, Checkpoints
from leftfold.read.folding import Folded, RowCache, Rows, assign_keys, changes, fold_page
from leftfold.read.projection import Projection
from leftfold.read.tables import table_in


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
        self._seen: Checkpoint | None = None
        self._home: str | None = None

    async def catch_up(self, head: int) -> tuple[int, int]:
        """Apply the events up to ``head``: how many were folded, and the position then. `ProjectionFailed`."""
        applied = 0
        seen = await self._resume(head)
        while seen.position < head:
            events = await self._log.read_log_page(self._query, seen.position, head, self._size.next, False)
            until = events[-1].position if len(events) == self._size.next else head
            self._size.note(events)
            folded, moved = await self._apply(seen, events, until)
            if moved is None:
                seen = await self._resume(head)
                continue
            seen = self._seen = moved
            applied += folded.events
            if folded.failure is not None:
                raise folded.failure
        return applied, seen.position

    async def reset(self) -> None:
        """Drop rows and checkpoint and begin with an empty table, in one transaction."""
        async with self._database.transaction() as connection:
            had_begun = await self._checkpoints.forget(connection)
            await self._checkpoints.create(connection)
            existing = await self._table.existing(connection)
            if existing and not had_begun and existing != self._table.expected():
                raise SchemaOutdated(
                    f"the table {self._table.name} is not one that the projection {self._projection.name!r} has made, "
                    "so it is not dropped: drop it yourself, or give the read model another with table=…"
                )
            await self._table.drop(connection)
            await self._table.create(connection)

    async def _resume(self, head: int) -> Checkpoint:
        """Where the projection stands now. Rows remembered from anywhere else are forgotten."""
        async with self._database.connection() as connection:
            found = await self._checkpoints.load(connection)
            if found is not None and found == self._seen:
                return found
            ready = found is not None and await self._table.check(connection)
        self._cache = RowCache(self._cached_rows)
        self._seen = found if found is not None and ready else await self._begin()
        if self._projection.mixes_categories and self._home is None:
            self._home = await self._first_category(head)
        return self._seen

    async def _begin(self) -> Checkpoint:
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
        self, seen: Checkpoint, events: Sequence[RecordedEvent], until: int
    ) -> tuple[Folded, Checkpoint | None]:
        """Fold a page and write what it changed; no checkpoint if another projector has moved it meanwhile."""
        page = assign_keys(self._projection, events, self._home)
        before = await self._rows_of(page.all_keys())
        folded = fold_page(self._projection, page, before)
        if folded.failure is not None:
            until = events[folded.events - 1].position if folded.events else seen.position
        event_id = await self._id_at(until, events[: folded.events], seen)
        moved = await self._write(seen, until, event_id, before, folded.rows)
        if moved is not None:
            self._cache.remember(folded.rows)
        return folded, moved

    async def _write(
        self, seen: Checkpoint, until: int, event_id: UUID | None, before: Rows, after: Rows
    ) -> Checkpoint | None:
        rows, deleted = changes(before, after)
        async with self._database.transaction() as connection:
            moved = await self._checkpoints.move(connection, seen, until, event_id)
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

    async def _id_at(self, position: int, applied: Sequence[RecordedEvent], seen: Checkpoint) -> UUID | None:
        """The id of the event at a position, which may be one that is none of this projection's."""
        if applied and applied[-1].position == position:
            return applied[-1].id
        if position == seen.position:
            return None if seen.event_id is None else UUID(seen.event_id)
        there = await self._log.read_log_page(Query.ALL, position - 1, position, 1, False)
        return there[0].id if there else None

    def _unfit(self, what: str) -> SchemaOutdated:
        name = self._projection.name
        return SchemaOutdated(
            f"the table {self._table.name} of projection {name!r} (version {self._projection.version}) {what}. Rebuild "
            f"it from history: projector.reset({name!r}), then projector.catch_up()"
        )
