"""Unparking: the events that a keyed projection has parked are folded into their rows, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidArgument
from leftfold.events import RecordedEvent
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.parked import key_text
from leftfold.read.projection.fold import changes
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.tables.tables import table_in


class ParkedRows:
    """The parked events of one keyed projection, as a `ParkedHandler`."""

    def __init__(self, database: Database, projection: Projection[Any]) -> None:
        self._database = database
        self._projection = projection

    def text_of(self, key: Any) -> str:
        return key_text(self._projection.definition.canonical_key(key))

    async def apply(
        self, connection: Connection, generation: Generation, key: str, events: Sequence[RecordedEvent]
    ) -> tuple[int, Exception | None]:
        table = table_in(self._database, self._projection.definition, generation.role)
        of_row = next(row_key for row_key in self._projection.keys_of(events[0]) if self.text_of(row_key) == key)
        before = await table.fetch(connection, [of_row])
        row, done, failure = before[of_row], 0, None
        for recorded in events:
            try:
                row = self._projection.evolve(row, recorded, of_row)
            except Exception as error:
                failure = error
                break
            done += 1
        written, deleted = changes(before, {of_row: row})
        if written:
            await table.write(connection, written)
        if deleted:
            await table.delete(connection, deleted)
        return done, failure


def parked_rows(database: Database, projections: Mapping[str, AnyProjection], name: str) -> ParkedRows:
    """The handler of a projection's parked events; `InvalidArgument` if its code is not known, or it has no keys."""
    projection = projections.get(name)
    if projection is None:
        known = ", ".join(map(repr, projections)) or "none"
        raise InvalidArgument(
            f"unpark needs the code of {name!r}, and this store knows {known}: open the store with the app that "
            "has it, app.connect(), or make its projector first, store.projector([…])"
        )
    if not isinstance(projection, Projection):
        raise InvalidArgument(f"projection {name!r} has no keys, so none of its events is ever parked")
    return ParkedRows(database, projection)
