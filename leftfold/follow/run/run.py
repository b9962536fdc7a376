"""How the partitions of one projection are found and applied: up to the head, or one page at a time."""

from __future__ import annotations

from leftfold.database.protocol import Database
from leftfold.errors import ProcessorPaused
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.partition import Partition, Place, owns
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.processor import Installation
from leftfold.follow.run.applier import Applied, Applier
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
        self.partitions = Partitions(database, outside=database is not log.database)
        self._installation = installation
        self._processor = installation.processor
        self._log = log
        self._database = database
        self._query = installation.processor.query(log.registry)
        self._page_events = page_events
        self._reader = reader or Reader()
        self._appliers: dict[tuple[Role, Place], Applier] = {}

    async def catch_up(self) -> tuple[int, int]:
        """Apply the events up to the head as of now: how many were folded here, and the position then.

        What a worker holds is left to it, and waited for. `ProcessorFailed`, `EpochChanged`, `ProcessorOutdated`,
        `ProcessorPaused`.
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
        """The partitions as they are now; none if the generation is not what it was."""
        async with self._database.connection() as connection:
            found = await self.partitions.load(connection, generation.name, generation.number)
        return [one for one in found if one.is_of(generation)]

    def applier(self, generation: Generation, partition: Partition) -> Applier:
        """What applies a partition, with what it remembers if nobody else has been there meanwhile."""
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
                self.partitions,
                partition,
                self._page_events,
                self._processor.on_failure,
                self._reader,
                by_stream=self._processor.is_by_stream,
            )
        applier.stand_at(partition)
        return applier

    def _forget_others(self, generation: Generation) -> None:
        """What is remembered of a generation ends with its role."""
        self._appliers = {
            (role, place): one
            for (role, place), one in self._appliers.items()
            if (role == generation.role) == (place[1] == generation.number)
        }

    async def _to_head(self, applier: Applier) -> tuple[int, bool]:
        """How many events were folded, and whether it is at the head now: not if somebody else has moved it."""
        applied = 0
        await applier.look()
        while applier.is_behind:
            done = await self.page(applier)
            if done is None:
                return applied, False
            applied += done.events
            if done.failure is not None:
                raise done.failure
        return applied, True

    async def page(self, applier: Applier) -> Applied | None:
        """The next page; None if somebody else has moved it, or put other tables in the place of its own."""
        try:
            return await applier.page()
        except Exception:
            if await self._stands(applier.partition):
                raise
            return None

    async def _stands(self, seen: Partition) -> bool:
        """Whether nobody has moved it, or taken it over."""
        async with self._database.connection() as connection:
            return seen.same_checkpoint(await self.partitions.again(connection, seen))
