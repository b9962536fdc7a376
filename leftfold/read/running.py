"""How the partitions of one projection are found and applied: up to the head, or one page at a time."""

from __future__ import annotations

from leftfold.database.protocol import Database
from leftfold.errors import ProjectionPaused
from leftfold.log import Log
from leftfold.read.applying import Applier
from leftfold.read.building import Building
from leftfold.read.generations import Generation
from leftfold.read.maintaining import AnyProjection
from leftfold.read.partition import Partition, Place, owns
from leftfold.read.partitions import Partitions
from leftfold.read.reading import Reader

PAUSE = 0.02
"""Seconds between looks at a partition that another worker is bringing up to date."""


class Running:
    """One projection over one log, its rows in one database. One run uses it at a time."""

    def __init__(
        self,
        log: Log,
        database: Database,
        projection: AnyProjection,
        *,
        page_events: int,
        cached_rows: int,
        reader: Reader | None = None,
    ) -> None:
        self.projection = projection
        self.partitions = Partitions(database, outside=database is not log.database)
        self.building = Building(database, log.registry, projection, self.partitions)
        self._log = log
        self._database = database
        self._query = projection.query(log.registry)
        self._page_events = page_events
        self._cached_rows = cached_rows
        self._reader = reader or Reader()
        self._appliers: dict[Place, Applier] = {}

    async def catch_up(self) -> tuple[int, int]:
        """Apply the events up to the head as of now: how many were folded here, and the position then.

        What a worker holds is left to it, and waited for. `ProjectionFailed`, `EpochChanged`, `SchemaOutdated`,
        `ProjectionPaused`.
        """
        applied, target = 0, await self._log.head()
        while True:
            generation = await self.ready()
            if generation.paused is not None:
                raise ProjectionPaused(generation.name, generation.paused.who, generation.paused.why)
            if generation.mode == "inline":
                return applied, target
            positions, waits = [], False
            for partition in await self.load(generation):
                if partition.leased and partition.failure is None:
                    positions.append(partition.position)
                    waits |= partition.position < target
                    continue
                applier = self.applier(generation, partition)
                events, reached = await self._to_head(applier)
                applied += events
                positions.append(applier.position if reached else -1)
            if positions and min(positions) >= target:
                return applied, min(positions)
            if waits:
                await self._database.sleep(PAUSE)

    async def ready(self) -> Generation:
        """The live generation, if it fits the code; `SchemaOutdated` if it does not."""
        return await self.building.ready()

    async def load(self, generation: Generation) -> list[Partition]:
        """The partitions as they are now."""
        async with self._database.connection() as connection:
            return await self.partitions.load(connection, generation.name, generation.number)

    def applier(self, generation: Generation, partition: Partition) -> Applier:
        """What applies a partition, with what it remembers if nobody else has been there meanwhile."""
        applier = self._appliers.get(partition.place)
        if applier is None:
            maintainer = self.projection.maintainer(
                self._log, self._database, generation, owns(partition), self._cached_rows
            )
            applier = self._appliers[partition.place] = Applier(
                self._log,
                self._database,
                self._query,
                maintainer,
                self.partitions,
                partition,
                self._page_events,
                self.projection.on_failure,
                self._reader,
            )
        applier.stand_at(partition)
        return applier

    async def _to_head(self, applier: Applier) -> tuple[int, bool]:
        """How many events were folded, and whether it is at the head now: not if somebody else has moved it."""
        applied = 0
        await applier.look()
        while applier.is_behind:
            done = await applier.page()
            if done is None:
                return applied, False
            applied += done.events
            if done.failure is not None:
                raise done.failure
        return applied, True
