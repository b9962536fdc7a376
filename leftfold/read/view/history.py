"""History: read models as they were, replayed into a database in memory, so that the same view asks the same queries.

A recent past is kept for the next question, within bounds. Even the past changes: an event may be recorded today that
occurred last year. So a kept past knows the last event of the log at its making. It serves again only if that event
still stands, and no event after it would count.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any
from uuid import UUID

from leftfold.database.protocol import Database
from leftfold.database.sqlite.database import SqliteDatabase
from leftfold.database.url import SqliteUrl
from leftfold.errors import InvalidState
from leftfold.log.contract import Log
from leftfold.log.epochs import LogState
from leftfold.log.select import Range
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.tables import table_in
from leftfold.read.view.as_of import AsOf
from leftfold.read.view.replay import Progress, replay, too_many

KEPT = 8
KEPT_ROWS = 200_000
_LOADED_AT_ONCE = 5_000


@dataclass(slots=True, eq=False, weakref_slot=True)
class Past:
    """A read model as it was: its rows in a database of their own, freed with the last reference.

    Events up to ``position`` counted. ``ground`` is the position and id of the log's last event at that moment.
    """

    asked: AsOf
    database: Database
    rows: int
    position: int
    ground: tuple[int, UUID | None]


class History:
    """The past of one log's read models, for either door."""

    def __init__(self, log: Log, *, kept: int = KEPT, kept_rows: int = KEPT_ROWS) -> None:
        self._log = log
        self._kept: OrderedDict[tuple[Projection[Any], AsOf], Past] = OrderedDict()
        self._most = kept
        self._most_rows = kept_rows
        self._lock = Lock()  # never held while anything is awaited

    async def past(
        self, projection: Projection[Any], asked: AsOf, *, limit_rows: int, progress: Progress | None
    ) -> Past:
        """The model's past, kept or replayed. The errors are those of `replay`, and `InvalidState` for a position that
        the head of the log has not reached."""
        known = self._find(projection, asked)
        survey = await self._survey(known.ground[0] if known else 0, asked)
        if known is None or not await self._still_holds(known, projection, survey):
            known = await self._replay(projection, asked, survey, limit_rows, progress)
            self._keep(projection, known)
        if known.rows > limit_rows:
            raise too_many(projection, limit_rows)
        return known

    def forget(self) -> None:
        """Drop every kept past. A view that is in use keeps its own."""
        with self._lock:
            self._kept.clear()

    async def _survey(self, position: int, asked: AsOf) -> LogState:
        """Survey the log; `InvalidState` if it does not reach the position in question."""
        survey = await self._log.state(position)
        if asked.position is not None and asked.position > survey.head:
            raise InvalidState(
                f"position {asked.position} is beyond the head of the log, {survey.head}: what is settled ends there; "
                "ask again when the head has come so far"
            )
        return survey

    async def _still_holds(self, known: Past, projection: Projection[Any], survey: LogState) -> bool:
        """Whether the same events still count. If so, the new part of the log need not be read again."""
        at, id = known.ground
        if survey.found_id != id or survey.head < at:
            return False
        if known.asked.position is None and at < survey.head:
            query = known.asked.narrow(projection.query(self._log.registry))
            if await self._log.read_log_page(query, Range(at, survey.head, 1)):
                return False
            known.position, known.ground = survey.head, (survey.head, survey.head_id)
        return True

    async def _replay(
        self,
        projection: Projection[Any],
        asked: AsOf,
        survey: LogState,
        limit_rows: int,
        progress: Progress | None,
    ) -> Past:
        while True:
            until = survey.head if asked.position is None else asked.position
            rows = await replay(self._log, projection, asked, until, limit_rows, progress)
            after = await self._survey(survey.head, asked)
            if after.found_id == survey.head_id:
                break
            survey = after  # the log was replaced meanwhile, by a failover or a restore: a mixture is no past
        count, ground = len(rows), (survey.head, survey.head_id)
        return Past(asked, await self._in_memory(projection, rows), count, until, ground)

    async def _in_memory(self, projection: Projection[Any], rows: dict[Any, Any]) -> Database:
        """A database of these rows. They leave the dict as they go in, so that memory never holds two of each."""
        database = SqliteDatabase(SqliteUrl(None), self._log.database.waiting)
        await database.open()
        table = table_in(database, projection.definition)
        async with database.transaction() as connection:
            await table.create(connection)
            while rows:
                await table.write(connection, list(islice(_taken_from(rows), _LOADED_AT_ONCE)))
        return database

    def _find(self, projection: Projection[Any], asked: AsOf) -> Past | None:
        with self._lock:
            found = self._kept.get((projection, asked))
            if found is not None:
                self._kept.move_to_end((projection, asked))
            return found

    def _keep(self, projection: Projection[Any], past: Past) -> None:
        """Keep a past, and drop the least recently used. A past that is too large by itself is not kept."""
        if past.rows > self._most_rows:
            return
        with self._lock:
            self._kept[projection, past.asked] = past
            self._kept.move_to_end((projection, past.asked))
            while len(self._kept) > self._most or sum(past.rows for past in self._kept.values()) > self._most_rows:
                self._kept.popitem(last=False)


def _taken_from(rows: dict[Any, Any]) -> Iterator[Any]:
    while rows:
        yield rows.popitem()[1]
