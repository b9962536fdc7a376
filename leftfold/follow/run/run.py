"""The run of one processor: its partitions are found, and applied up to the head."""

from __future__ import annotations

from collections.abc import Sequence

from leftfold.database.protocol import Database
from leftfold.errors import ProcessorPaused
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.partition import Partition, Place, owns
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.processor import Installation
from leftfold.follow.run.applier import Applier, Overtaken
from leftfold.follow.run.reader import Reader
from leftfold.log.contract import Log

PAUSE = 0.02
"""Seconds between looks at a partition that another worker is bringing up to date."""


class ProcessorRun:
    """One processor over one log, its checkpoints in one database. One caller uses it at a time."""

    def __init__(
        self,
        log: Log,
        database: Database,
        installation: Installation,
        *,
        page_events: int,
        reader: Reader | None = None,
    ) -> None:
        self._partitions = Partitions(database, outside=database is not log.database)
        self._installation = installation
        self._processor = installation.processor
        self._log = log
        self._database = database
        self._query = installation.processor.query(log.registry)
        self._page_events = page_events
        self._reader = reader or Reader()
        self._appliers: dict[tuple[Role, Place], Applier] = {}

    async def catch_up(self) -> tuple[int, int]:
        """Apply the events up to the head as of now: how many were applied here, and the position then.

        Partitions that a worker has leased are left to that worker, and waited for. `ProcessorFailed`, `EpochChanged`,
        `ProcessorOutdated`, `ProcessorPaused`.
        """
        applied, target = 0, await self._log.head()
        while True:
            generation = await self.ready()
            if generation.paused is not None:
                raise ProcessorPaused(generation.name, generation.paused.who, generation.paused.why)
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
        """The live generation, if it fits the code; `ProcessorOutdated` if it does not."""
        return await self._installation.ready()

    async def load(self, generation: Generation) -> list[Partition]:
        """The generation's partitions as they are now; none if its role or its state has changed."""
        async with self._database.connection() as connection:
            found = await self._partitions.load(connection, generation.name, generation.number)
        return [partition for partition in found if partition.is_of(generation)]

    def applier(self, generation: Generation, partition: Partition) -> Applier:
        """The applier of a partition, which remembers its pages unless another session has moved the partition."""
        place = generation.role, partition.place
        applier = self._appliers.get(place)
        if applier is None:
            self._forget_others(generation)
            handler = self._installation.handler(generation, owns(partition))
            applier = self._appliers[place] = Applier(
                self._log,
                self._database,
                self._query,
                handler,
                self._partitions,
                partition,
                self._page_events,
                self._processor.on_failure,
                self._reader,
                by_stream=self._processor.is_by_stream,
                remedy=self._installation.remedy(generation.role),
            )
        applier.stand_at(partition)
        return applier

    async def verify(self, generation: Generation, partitions: Sequence[Partition]) -> None:
        """`EpochChanged` if one of these partitions does not stand on this log."""
        for partition in partitions:
            await partition.cursor(self._log, self._installation.remedy(generation.role)).head()

    def _forget_others(self, generation: Generation) -> None:
        """Drop what is remembered of other generations in the same role, and of this generation in other roles."""
        self._appliers = {
            (role, place): applier
            for (role, place), applier in self._appliers.items()
            if (role == generation.role) == (place[1] == generation.number)
        }

    async def _to_head(self, applier: Applier) -> tuple[int, bool]:
        """How many events were applied, and whether the partition is at the head now: not if it was overtaken."""
        applied = 0
        await applier.look()
        while applier.is_behind:
            done = await applier.page()
            if isinstance(done, Overtaken):
                return applied, False
            applied += done.events
            if done.failure is not None:
                raise done.failure
        return applied, True
