"""The worker: runs all projections of an app, for ever, beside any number of other workers.

Each leases partitions in the database and renews its leases from beside the work, so that a slow fold costs none. Who
dies is missed within the time of a lease. Whatever a worker believes, checkpoints move by compare-and-set only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic

from leftfold.checkpoint import EpochChanged
from leftfold.database.protocol import Database
from leftfold.doors.protocol import Signal
from leftfold.errors import ProcessorOutdated, StoreUnavailable
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partition import Partition, Place
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.checkpoints.workers import WorkerTable, new_worker_id
from leftfold.follow.processor import Installation
from leftfold.follow.run.applier import Applier
from leftfold.follow.run.reader import SharedReader
from leftfold.follow.run.run import ProcessorRun
from leftfold.follow.run.share import Moves, decide, to_help
from leftfold.log.contract import Log

LEASE_SECONDS = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
_TRY_AGAIN_AFTER = 30.0
"""Seconds until a projection whose log has lost what it has applied is looked at again."""
logger = logging.getLogger("leftfold")


class Worker:
    """One worker's life: `run` until `stop`."""

    def __init__(
        self,
        log: Log,
        database: Database,
        installations: Sequence[Installation],
        *,
        page_events: int,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.id = new_worker_id()
        self.stopping = False
        self._log = log
        self._database = database
        self._lease_seconds = lease_seconds
        self._every = lease_seconds / 4
        self._installations = {one.processor.name: one for one in installations}
        processors = [installation.processor for installation in installations]
        reader = SharedReader(log, [processor.query(log.registry) for processor in processors])
        self._runs = {
            name: ProcessorRun(log, database, installation, page_events=page_events, reader=reader)
            for name, installation in self._installations.items()
        }
        self._splittable = [processor.name for processor in processors if processor.can_be_split]
        self._members = WorkerTable(database)
        self._partitions = Partitions(database, outside=database is not log.database)
        self._all_generations = Generations(database)
        self._serves: dict[str, str | None] = {}
        self._generations: dict[str, Generation] = {}
        self._shadows: dict[str, Generation] = {}
        self._held: dict[Place, Applier] = {}
        self._free: list[Partition] = []
        self._parted_from: dict[str, float] = {}
        self._due = 0.0
        self._woken: Signal | None = None

    def stop(self) -> None:
        """End soon, after the page under way. From any thread, task or signal handler."""
        self.stopping = True

    async def run(self) -> None:
        """Apply what comes, until stopped; then what is held is free for others at once."""
        self._woken = self._log.database.signal()
        self._log.join(self._woken)
        beating = self._log.database.waiting.background(self._beat)
        failures = 0
        try:
            while not self.stopping:
                self._woken.clear()
                try:
                    if monotonic() >= self._due:
                        await self._share()
                        self._due = monotonic() + self._every
                    busy = await self._round()
                    failures = 0
                except StoreUnavailable as error:
                    failures += 1
                    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures)
                    logger.warning("a worker waits %.2f s for the store: %s", pause, error)
                    await self._pause(pause)
                    continue
                if not busy and not self.stopping and self._due > monotonic():
                    await self._woken.wait(self._log.poll_seconds)
        finally:
            self.stopping = True
            self._log.leave(self._woken)
            await beating.join()
            await self._leave()

    async def _pause(self, seconds: float) -> None:
        """In small steps, so that a stop is heard."""
        until = monotonic() + seconds
        while not self.stopping and (left := until - monotonic()) > 0:
            await self._database.sleep(min(left, 0.1))

    async def _round(self) -> bool:
        """A page for each part that is behind; whether there was any."""
        busy = False
        for place, applier in list(self._held.items()):
            if self.stopping:
                break
            if applier.partition.stands_still or place not in self._held:
                continue
            try:
                if not await applier.look():
                    continue
                busy = True
                if await applier.page() is None:
                    await self._look_again(place, applier)
                elif applier.partition.role == "shadow" and applier.partition.failure is not None:
                    await self._give_up(place)
            except EpochChanged as error:
                self._parted_from[place[0]] = monotonic()
                self._refuse(place[0], error)
                await self._give_up(*(one for one in self._held if one[0] == place[0]))
            except StoreUnavailable:
                raise
            except Exception:
                if await self._look_again(place, applier):
                    raise
        return busy

    async def _look_again(self, place: Place, applier: Applier) -> bool:
        """Whether it is still held: somebody may have moved it, or put other tables in the place of its own."""
        seen = applier.partition
        async with self._database.connection() as connection:
            now = await self._partitions.again(connection, seen)
        if now is not None and (now.owner, now.fence, now.role) == (self.id, seen.fence, seen.role):
            applier.stand_at(now)
            return True
        self._held.pop(place, None)
        self._due = 0.0
        return False

    async def _share(self) -> None:
        """Look at what everybody does, and do what is this worker's part."""
        for name, run in self._runs.items():
            if self._is_parted(name):
                continue
            try:
                generation = await run.ready()
            except (ProcessorOutdated, EpochChanged) as error:
                self._refuse(name, error)
                continue
            if generation.mode == "inline" or generation.paused is not None:
                self._generations.pop(name, None)
            else:
                self._generations[name] = generation
            self._serves[name] = None
        async with self._database.connection() as connection:
            await self._members.seen(connection, self.id, self._serves)
            members = await self._members.all(connection, self._lease_seconds)
            self._shadows = {
                one.name: one
                for one in await self._all_generations.all(connection)
                if one.name in self._runs and not self._is_parted(one.name) and self._installations[one.name].fits(one)
            }
            partitions = await self._partitions.all(connection)
        found = [one for one in partitions if one.is_of(self._generations.get(one.name))]
        beside = [one for one in partitions if one.is_of(self._shadows.get(one.name))]
        serving = {
            one.id: [name for name, refusal in one.serves.items() if refusal is None] for one in members if one.lives
        }
        serving[self.id] = list(self._generations)
        moves = decide(self.id, found, serving, self._splittable, self._free)
        self._free = [one for one in found if not one.leased]
        self._notice([*found, *beside])
        await self._do(moves)
        if beside and (one := to_help(self.id, beside, await self._log.head())) is not None:
            await self._claim(one)

    def _is_parted(self, name: str) -> bool:
        """Whether the log has lately been found not to be the one that was followed."""
        return monotonic() - self._parted_from.get(name, -_TRY_AGAIN_AFTER) < _TRY_AGAIN_AFTER

    def _notice(self, found: Sequence[Partition]) -> None:
        """What others have done to what is held."""
        mine = {one.place: one for one in found if one.owner == self.id and one.leased}
        for place, applier in list(self._held.items()):
            now = mine.get(place)
            if now is None:
                del self._held[place]
            else:
                applier.stand_at(now)
        for place, now in mine.items():
            if place not in self._held:
                self._held[place] = self._applier(now)

    async def _do(self, moves: Moves) -> None:
        """Each in a transaction of its own that locks in one order, so that no two workers can wait for each other."""
        async with self._database.connection() as connection:
            for one in moves.release:
                await self._partitions.release(connection, one, self.id)
                self._held.pop(one.place, None)
        for one in moves.claim:
            await self._claim(one)
        for one in moves.split:
            self._held.pop(one.place, None)
            async with self._database.transaction() as connection:
                await self._partitions.split(connection, one)
        for left, right in moves.merge:
            self._held.pop(left.place, None)
            self._held.pop(right.place, None)
            async with self._database.transaction() as connection:
                await self._partitions.merge(connection, left, right)
        if moves.split or moves.merge:
            self._due = 0.0

    async def _claim(self, one: Partition) -> None:
        async with self._database.connection() as connection:
            claimed = await self._partitions.claim(connection, one, self.id, self._lease_seconds)
        if claimed is not None:
            self._held[one.place] = self._applier(claimed)

    def _applier(self, one: Partition) -> Applier:
        of = self._shadows if one.role == "shadow" else self._generations
        return self._runs[one.name].applier(of[one.name], one)

    async def _give_up(self, *places: Place) -> None:
        """Hold these no more."""
        async with self._database.connection() as connection:
            for place in places:
                await self._partitions.release(connection, self._held.pop(place).partition, self.id)

    def _refuse(self, name: str, error: Exception) -> None:
        """Not to be run here, and why: status tells it."""
        if self._serves.get(name) != str(error):
            logger.warning("projection %r is not run here: %s", name, error)
        self._serves[name] = str(error)
        self._generations.pop(name, None)

    async def _beat(self) -> None:
        """Renew the leases, beside the work."""
        due = monotonic() + self._every
        while not self.stopping:
            if monotonic() < due:
                await self._database.sleep(0.1)
                continue
            due = monotonic() + self._every
            try:
                async with self._database.connection() as connection:
                    await self._members.seen(connection, self.id, dict(self._serves))
                    for place in list(self._held):
                        await self._partitions.renew(connection, place, self.id, self._lease_seconds)
            except StoreUnavailable as error:
                logger.info("a worker could not renew its leases: %s", error)

    async def _leave(self) -> None:
        try:
            async with self._database.connection() as connection:
                await self._partitions.release_all(connection, self.id)
                await self._members.gone(connection, self.id)
                await self._members.bury(connection)
        except StoreUnavailable as error:
            logger.warning("a worker ends without a word, for the store is away: %s", error)
