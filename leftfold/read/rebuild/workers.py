"""Lanes: bring a shadow generation's partitions to the head side by side, each lane one partition at a time.

They lease what they are at, so that the lanes of other processes that rebuild the same take what is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from leftfold.database.protocol import Database
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.partition import Partition, Place
from leftfold.follow.run.applier import Applier
from leftfold.follow.run.run import ProcessorRun
from leftfold.log.contract import Log

_PAUSE = 0.03

Until = Callable[[], Awaitable[Partition | None]]
"""Where to stop: where that one stands, or at the head if None."""


async def to_the_head() -> Partition | None:
    """No stop before the head."""
    return None


class RebuildWorkers:
    """``async with lanes:`` they run, and have ended behind it. ``woken`` is set when something has changed."""

    def __init__(
        self,
        log: Log,
        database: Database,
        run: ProcessorRun,
        shadow: Generation,
        owner: str,
        lease_seconds: float,
        count: int,
        until: Until = to_the_head,
    ) -> None:
        self.held: set[Place] = set()
        self.events = 0.0
        """How many were folded: each part reads them all, and has its share of them."""
        self.woken = database.signal()
        self._log = log
        self._database = database
        self._run = run
        self._shadow = shadow
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._count = count
        self._until = until
        self._claiming = database.waiting.semaphore(1)
        self._stopping = False
        self._failures: list[BaseException] = []

    def check(self) -> None:
        """Raise what has ended a lane."""
        if self._failures:
            raise self._failures[0]

    async def __aenter__(self) -> Self:
        self._lanes = [self._database.waiting.background(self._lane) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for lane in self._lanes:
            await lane.join()
        if error is None:
            self.check()

    async def _lane(self) -> None:
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
        """The free part that is furthest behind. None that another lane here is still at: who wakes after its lease has
        run out shares its applier, and what that remembers, with whoever else claims the part in this process."""
        until = await self._until()
        head = await self._log.head() if until is None else until.position
        async with self._claiming:
            for one in _open(await self._run.load(self._shadow), head):
                if one.place in self.held:
                    continue
                async with self._database.connection() as connection:
                    claimed = await self._run.partitions.claim(connection, one, self._owner, self._lease_seconds)
                if claimed is not None:
                    self.held.add(one.place)
                    return self._run.applier(self._shadow, claimed)
        return None

    async def _advance(self, applier: Applier) -> None:
        """As far as it goes; then it is free for others, and for what comes later."""
        place = applier.partition.place
        try:
            while not self._stopping and await applier.look(await self._until()):
                done = await self._run.page(applier)
                if done is None:
                    return
                self.events += done.events * applier.partition.share
                if done.failure is not None:
                    if not is_retried(applier.partition):
                        raise done.failure
                    break
                self.woken.set()
            async with self._database.connection() as connection:
                await self._run.partitions.release(connection, applier.partition, self._owner)
        finally:
            self.held.discard(place)


def is_retried(one: Partition) -> bool:
    """Whether it stands in front of an event that failed and is tried again by itself, soon or already now."""
    return one.failure is not None and one.failure.retry_at is not None


def _open(parts: Sequence[Partition], head: int) -> list[Partition]:
    free = [
        one for one in parts if not one.leased and one.position < head and not (is_retried(one) and one.stands_still)
    ]
    return sorted(free, key=lambda one: one.position)
