"""Striking a generation off: its tables, and everything that is kept of it."""

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
    """In one database, in the caller's transaction, behind the locks of generations and partitions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database)
        self._parking = ParkedEvents(database)

    async def strike_off(self, connection: Connection, generation: Generation, tables: Iterable[str] = ()) -> None:
        """Forget it. ``tables`` are those of its code today, for one from before their names were kept."""
        await self._partitions.forget(connection, generation.name, generation.number)
        await self._parking.forget(connection, generation.name, generation.number)
        await self._generations.forget(connection, generation)
        for table in generation.tables or tables:
            await drop_table(connection, self._database, table + SUFFIX[generation.role])
