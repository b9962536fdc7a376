"""The removal of a generation: its tables, and everything that is kept of it."""

from __future__ import annotations

from collections.abc import Iterable

from leftfold.database.protocol import Connection, Database
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedEvents
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.tables.catalog import drop_table


class GenerationRemoval:
    """Removes generations in the caller's transaction, which has locked generations and partitions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database)
        self._parked = ParkedEvents(database)

    async def remove(self, connection: Connection, generation: Generation, tables: Iterable[str] = ()) -> None:
        """Drop it. ``tables`` are those of its code today, for a generation begun before table names were kept."""
        await self._partitions.forget(connection, generation.name, generation.number)
        await self._parked.forget(connection, generation.name, generation.number)
        await self._generations.forget(connection, generation)
        for table in generation.tables or tables:
            await drop_table(connection, self._database, table + SUFFIX[generation.role])
