"""The worker: runs all processors of an app, for ever, beside any number of other workers.

Each worker leases partitions in the database and renews its leases beside the work, so that a slow page costs none.
When a worker dies, its leases run out and the others take over. Whatever a worker believes, a checkpoint moves by
compare-and-set only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from time import monotonic

from leftfold.checkpoint import EpochChanged
from leftfold.database.protocol import Connection, Database
from leftfold.doors.protocol import Signal
from leftfold.errors import StoreUnavailable
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partition import Partition, Place
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.checkpoints.workers import WorkerTable, new_worker_id
from leftfold.follow.processor import Installation
from leftfold.follow.run.applier import Applier, Overtaken
from leftfold.follow.run.heartbeat import BEATS_PER_LEASE, Heartbeat
from leftfold.follow.run.leases import Leases
from leftfold.follow.run.reader import SharedReader
from leftfold.follow.run.run import ProcessorRun
from leftfold.follow.run.served import ServedProcessor
from leftfold.follow.run.share import Moves, decide, to_help
from leftfold.log.contract import Log

LEASE_SECONDS = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
logger = logging.getLogger("leftfold")


class Worker:
    """One worker's life: `run` until `stop`.

    Now and then it shares the work with other workers: it looks at all partitions and claims, releases, splits or
    merges some. In between it goes round the partitions that it holds, a page of each.
    """

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
        self._every = lease_seconds / BEATS_PER_LEASE
        reader = SharedReader(log, [installation.processor.query(log.registry) for installation in installations])
        self._served = {
            installation.processor.name: ServedProcessor(
                installation, ProcessorRun(log, database, installation, page_events=page_events, reader=reader)
            )
            for installation in installations
        }
        self._workers = WorkerTable(database)
        self._partitions = Partitions(database)
        self._generations = Generations(database)
        self._leases = Leases(database, self.id, lease_seconds)
        self._appliers: dict[Place, Applier] = {}
        """Of the partitions that it holds."""
        self._free: list[Partition] = []
        self._due = 0.0
        self._woken: Signal | None = None

    def stop(self) -> None:
        """End soon, after the page under way. From any thread, task or signal handler."""
        self.stopping = True

    async def run(self) -> None:
        """Apply what comes, until stopped. Then others may claim at once what this worker held."""
        self._woken = self._log.database.signal()
        self._log.join(self._woken)
        try:
            async with Heartbeat(self._database, self._lease_seconds, self._beat, "a worker"):
                await self._work(self._woken)
        finally:
            self.stopping = True
            self._log.leave(self._woken)
            await self._leave()

    async def _work(self, woken: Signal) -> None:
        failures = 0
        while not self.stopping:
            woken.clear()
            try:
                if monotonic() >= self._due:
                    await self._share()
                    self._due = monotonic() + self._every
                is_busy = await self._round()
                failures = 0
            except StoreUnavailable as error:
                failures += 1
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures)
                logger.warning("a worker waits %.2f s for the store: %s", pause, error)
                await self._pause(pause)
                continue
            if not is_busy and not self.stopping and self._due > monotonic():
                await woken.wait(self._log.poll_seconds)

    async def _pause(self, seconds: float) -> None:
        """In small steps, so that a stop is heard."""
        until = monotonic() + seconds
        while not self.stopping and (left := until - monotonic()) > 0:
            await self._database.sleep(min(left, 0.1))

    async def _round(self) -> bool:
        """A page of each partition that is behind; whether there was any."""
        is_busy = False
        for place, applier in list(self._appliers.items()):
            if self.stopping:
                break
            if place not in self._appliers or applier.partition.stands_still:
                continue
            try:
                is_busy |= await self._page(applier)
            except EpochChanged as error:
                self._served[applier.partition.name].diverge(error)
                await self._release(held for held in list(self._appliers) if held[0] == applier.partition.name)
        return is_busy

    async def _page(self, applier: Applier) -> bool:
        """A page of one partition; False if it is at the head."""
        if not await applier.look():
            return False
        done = await applier.page()
        partition = applier.partition
        if isinstance(done, Overtaken):
            self._react(applier, done)
        elif partition.role == "shadow" and partition.failure is not None:
            await self._release([partition.place])  # the rebuild that began the shadow reports the failure
        return True

    def _react(self, applier: Applier, overtaken: Overtaken) -> None:
        """Under the same lease, an act has only put the checkpoint elsewhere: `skip`, for example. Else it is lost."""
        if applier.partition.same_lease(overtaken.now) and overtaken.now is not None:
            applier.stand_at(overtaken.now)
        else:
            self._drop(applier.partition.place)
            self._due = 0.0

    async def _share(self) -> None:
        """Look at all generations, partitions and workers, and do this worker's part."""
        for served in self._served.values():
            await served.find_live()
        async with self._database.connection() as connection:
            await self._workers.seen(connection, self.id, self._refusals())
            workers = await self._workers.all(connection, self._lease_seconds)
            generations = await self._generations.all(connection)
            partitions = await self._partitions.all(connection)
        for served in self._served.values():
            served.find_shadow(generations)
        known = [partition for partition in partitions if partition.name in self._served]
        live = [partition for partition in known if partition.is_of(self._served[partition.name].live)]
        shadows = [partition for partition in known if partition.is_of(self._served[partition.name].shadow)]
        serving = {
            worker.id: [name for name, refusal in worker.serves.items() if refusal is None]
            for worker in workers
            if worker.lives
        }
        serving[self.id] = [name for name, served in self._served.items() if served.live is not None]
        splittable = [name for name, served in self._served.items() if served.can_be_split]
        moves = decide(self.id, live, serving, splittable, self._free)
        self._free = [partition for partition in live if not partition.leased]
        self._reconcile([*live, *shadows])
        await self._do(moves)
        if shadows and (partition := to_help(self.id, shadows, await self._log.head())) is not None:
            await self._claim(partition)

    def _refusals(self) -> dict[str, str | None]:
        """Of each processor why it is not run here, None if it is: `status` reports that."""
        return {name: served.refusal for name, served in self._served.items() if served.is_known}

    def _reconcile(self, found: Iterable[Partition]) -> None:
        """Hold what the database says that this worker holds: an act, a swap or another worker may have changed it."""
        mine = {partition.place: partition for partition in found if partition.owner == self.id and partition.leased}
        for place in self._appliers.keys() - mine.keys():
            self._drop(place)
        for place, partition in mine.items():
            if place in self._appliers:
                self._appliers[place].stand_at(partition)
            else:
                self._hold(partition)

    async def _do(self, moves: Moves) -> None:
        """Each move is a transaction of its own that locks in one order, so two workers never wait for each other."""
        if moves.release:
            await self._release([partition.place for partition in moves.release])
        for partition in moves.claim:
            await self._claim(partition)
        for partition in moves.split:
            self._drop(partition.place)
            async with self._database.transaction() as connection:
                await self._partitions.split(connection, partition)
        for left, right in moves.merge:
            self._drop(left.place)
            self._drop(right.place)
            async with self._database.transaction() as connection:
                await self._partitions.merge(connection, left, right)
        if moves.split or moves.merge:
            self._due = 0.0

    async def _claim(self, partition: Partition) -> None:
        if (claimed := await self._leases.claim(partition)) is not None:
            self._hold(claimed)

    def _hold(self, partition: Partition) -> None:
        self._appliers[partition.place] = self._served[partition.name].applier(partition)
        self._leases.places.add(partition.place)

    def _drop(self, place: Place) -> None:
        """Forget a partition that this worker does not hold any more."""
        self._appliers.pop(place, None)
        self._leases.places.discard(place)

    async def _release(self, places: Iterable[Place]) -> None:
        await self._leases.release([self._appliers.pop(place).partition for place in places])

    async def _beat(self, connection: Connection) -> None:
        await self._workers.seen(connection, self.id, self._refusals())
        await self._leases.renew(connection)

    async def _leave(self) -> None:
        try:
            async with self._database.connection() as connection:
                await self._partitions.release_all(connection, self.id)
                await self._workers.gone(connection, self.id)
                await self._workers.bury(connection)
        except StoreUnavailable as error:
            logger.warning("a worker ends without saying so, because the store is away: %s", error)
