"""The workers of a rebuild: they bring a shadow's partitions to the head side by side, one partition at a time each.

A worker leases the partition that it is at. So the workers of other processes that rebuild the same take what is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from leftfold.database.protocol import Database
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.run.applier import Applier, Overtaken
from leftfold.follow.run.leases import Leases
from leftfold.follow.run.run import ProcessorRun
from leftfold.log.contract import Log

_PAUSE = 0.03

Until = Callable[[], Awaitable[Partition | None]]
"""Where to stop: at the position of a partition, or at the head if None."""


async def to_the_head() -> Partition | None:
    """No stop before the head."""
    return None


class RebuildWorkers:
    """``async with workers:`` they work until the block ends. ``woken`` is set when something has changed."""

    def __init__(
        self,
        log: Log,
        database: Database,
        run: ProcessorRun,
        shadow: Generation,
        leases: Leases,
        count: int,
        until: Until = to_the_head,
    ) -> None:
        self.events = 0.0
        """How many were applied: each partition reads all events, and counts its share of them."""
        self.woken = database.signal()
        self._log = log
        self._database = database
        self._run = run
        self._shadow = shadow
        self._leases = leases
        self._count = count
        self._until = until
        self._claiming = database.waiting.semaphore(1)
        self._stopping = False
        self._failures: list[BaseException] = []

    def check(self) -> None:
        """Raise what has ended a worker."""
        if self._failures:
            raise self._failures[0]

    async def __aenter__(self) -> Self:
        self._running = [self._database.waiting.background(self._work) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for worker in self._running:
            await worker.join()
        if error is None:
            self.check()

    async def _work(self) -> None:
        try:
            while not self._stopping:
                applier = await self._claim()
                if applier is None:
                    await self._database.sleep(_PAUSE)
                else:
                    await self._advance(applier)
                    self.woken.set()
        except BaseException as failure:
            self._failures.append(failure)
            self._stopping = True
            self.woken.set()

    async def _claim(self) -> Applier | None:
        """Claim the free partition that is furthest behind."""
        until = await self._until()
        head = await self._log.head() if until is None else until.position
        async with self._claiming:
            for partition in _open(await self._run.load(self._shadow), head):
                # A worker here may sleep until its lease has run out, and wake again. It shares the applier of the
                # partition, with the rows that this remembers, with every other worker of this rebuild. So no worker
                # here claims a partition that another one is still at, even if the database says that it is free.
                if partition.place in self._leases.places:
                    continue
                if (claimed := await self._leases.claim(partition)) is not None:
                    return self._run.applier(self._shadow, claimed)
        return None

    async def _advance(self, applier: Applier) -> None:
        """Go as far as there are events, then let others have the partition."""
        place = applier.partition.place
        try:
            while not self._stopping and await applier.look(await self._until()):
                done = await applier.page()
                if isinstance(done, Overtaken):
                    return
                self.events += done.events * applier.partition.share
                if done.failure is not None:
                    if not is_retried(applier.partition):
                        raise done.failure
                    break
                self.woken.set()
            await self._leases.release([applier.partition])
        finally:
            self._leases.places.discard(place)


def is_retried(partition: Partition) -> bool:
    """Whether its failed event is tried again without a person, soon or already now."""
    return partition.failure is not None and partition.failure.retry_at is not None


def _open(partitions: Sequence[Partition], head: int) -> list[Partition]:
    """Free, behind, and not waiting for the next try; the furthest behind first."""
    free = [
        partition
        for partition in partitions
        if not partition.leased and partition.position < head and not (is_retried(partition) and partition.stands_still)
    ]
    return sorted(free, key=lambda partition: partition.position)
