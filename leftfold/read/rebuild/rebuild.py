"""Rebuilds: rows made anew from history beside the live ones, and then put in their place.

The live generation is maintained and read all the while. When the new rows are close to the head, both generations
stand still for a moment, leased by the rebuild. It applies the last events, and one transaction swaps the tables. A
rebuild that dies leaves leases that run out, and a shadow that the next rebuild goes on with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from leftfold.checkpoint import EpochChanged
from leftfold.database.protocol import Database
from leftfold.errors import NotSupported, StoreUnavailable
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.workers import new_worker_id
from leftfold.follow.run.applier import Overtaken
from leftfold.follow.run.heartbeat import Heartbeat
from leftfold.follow.run.leases import Leases
from leftfold.follow.run.reader import RememberingReader
from leftfold.follow.run.run import ProcessorRun
from leftfold.log.buckets import BUCKETS
from leftfold.log.contract import Log
from leftfold.read.apply.live import LiveRows
from leftfold.read.apply.maintainers import tables_of
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.rebuild.lock_timeout import FIRST_TIMEOUT, PAUSE, Busy, lock_holders, longer
from leftfold.read.rebuild.progress import Pace, Phase, RebuildProgress, progress
from leftfold.read.rebuild.side_by_side import RebuildComparison, SideBySide
from leftfold.read.rebuild.succession import REBUILD, ShadowGone, Standstill, Succession
from leftfold.read.rebuild.workers import RebuildWorkers, Until, is_retried, to_the_head

_TICK = 0.2
_SWAP_SECONDS = 60.0
_SAMPLE = 20
_MOST_WORKERS = 8  # more would only wait for one another: they fold on one core, and lease a connection each
logger = logging.getLogger("leftfold")

Watch = Callable[[RebuildProgress], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild has come to: rows of that version up to ``position``, live if ``swapped``.

    ``events`` were applied by this call, in ``seconds``.
    """

    projection: str
    version: int
    position: int
    events: int
    seconds: float
    swapped: bool
    comparison: RebuildComparison | None


class Rebuild:
    """One call of rebuild. Others may rebuild the same projection at the same time, in this process or elsewhere."""

    def __init__(
        self,
        log: Log,
        database: Database,
        projection: AnyProjection,
        *,
        page_events: int,
        cached_rows: int,
        lease_seconds: float,
        parts: int,
        watch: Watch | None,
        who: str | None,
        why: str,
    ) -> None:
        self._log = log
        self._database = database
        self._projection = projection
        self._page_events = page_events
        self._parts = min(BUCKETS, 1 << (parts - 1).bit_length()) if projection.can_be_split else 1
        self._watch = watch
        self._who = who
        self._why = why
        self._count = min(self._parts, _MOST_WORKERS)
        reader = RememberingReader(log, 2 * self._count)
        self._rows = LiveRows(log, database, projection, cached_rows)
        self._run = ProcessorRun(log, database, self._rows, page_events=page_events, reader=reader)
        self._succession = Succession(log, database)
        self._leases = Leases(database, REBUILD + new_worker_id(), lease_seconds)
        self._pace = Pace()
        self._events = 0.0

    async def run(self, *, compare: bool, swap: bool) -> Rebuilt:
        """From the beginning, or from where an earlier rebuild has stopped, to the end."""
        started, name = monotonic(), self._projection.name
        tables = tables_of(self._projection, self._database, "shadow")
        shadow = await self._succession.begin(self._rows.blueprint, tables, self._parts, self._who, self._why)
        comparison = None
        try:
            async with Heartbeat(self._database, self._leases.seconds, self._leases.renew, "a rebuild"):
                if compare:
                    comparison = await self._compare(shadow)
                position = await self._build(shadow)
                if swap:
                    await self._succession.index(shadow)
                    position = await self._swap(shadow)
        except ShadowGone:  # another rebuild has swapped this shadow, or a person has abandoned it
            live = await self._rows.live()
            if live is None or not live.is_same(shadow):
                raise
            position, swap = min((part.position for part in await self._run.load(live)), default=0), True
        finally:
            await self._release()
        return Rebuilt(name, shadow.version, position, round(self._events), monotonic() - started, swap, comparison)

    async def _compare(self, shadow: Generation) -> RebuildComparison:
        """Compare where the live rows stand, before the new ones go further."""
        live = await self._rows.live()
        if live is None or not isinstance(self._projection, Projection):
            tables = ", ".join(shadow.tables)
            why = "there are no live ones" if live is None else (
                f"it is not a keyed one. Rebuild it with swap=False, and compare {tables} with what has "
                f"{SUFFIX['shadow']} behind the name yourself"
            )  # fmt: skip
            raise NotSupported(f"the new rows of projection {shadow.name!r} cannot be compared: {why}")

        await self._run.verify(live, await self._run.load(live))

        async def where_it_stands() -> Partition | None:
            return max(await self._run.load(live), key=lambda partition: partition.position, default=None)

        await self._build(shadow, where_it_stands)
        self._report("comparing", await self._partitions_of(shadow), await self._log.head())
        return await SideBySide(self._log, self._database, self._projection).compare(live, shadow, _SAMPLE)

    async def _build(self, shadow: Generation, until: Until = to_the_head) -> int:
        """Until the new rows have reached the head of the beginning, and are within a page of the head now."""
        goal = await self._log.head()
        workers = RebuildWorkers(self._log, self._database, self._run, shadow, self._leases, self._count, until)
        try:
            async with workers:
                while True:
                    workers.woken.clear()
                    workers.check()
                    partitions, stop = await self._partitions_of(shadow), await until()
                    head = await self._log.head()
                    self._report("building", partitions, head)
                    position = min(partition.position for partition in partitions)
                    if position >= (max(goal, head - self._page_events) if stop is None else stop.position):
                        return position
                    await workers.woken.wait(_TICK)
        finally:
            self._events += workers.events

    async def _swap(self, shadow: Generation) -> int:
        """Try until both generations have stood still and no other session was in the way; the position then.

        Each try is short, and between two tries workers, appends and readers go on.
        """
        timeout, deadline = FIRST_TIMEOUT, monotonic() + _SWAP_SECONDS
        while True:
            try:
                position = await self._try_swap(shadow, timeout)
                if position is not None:
                    return position
            except Busy:
                pass
            finally:
                await self._release()
            if monotonic() > deadline:
                tables = [table + suffix for table in shadow.tables for suffix in SUFFIX.values()]
                raise await lock_holders(self._database, [*tables, "partitions"], f"the swap of {shadow.name!r}")
            await self._database.sleep(PAUSE)
            timeout = longer(timeout)
            await self._build(shadow)

    async def _try_swap(self, shadow: Generation, timeout: float) -> int | None:
        """Hold both generations, apply the last events, and swap; None if that does not go now."""
        held = await self._succession.hold(shadow, self._leases, timeout)
        target = await self._target(held)
        self._report("swapping", held.shadow_partitions, target or await self._log.head())
        position = await self._finish(shadow, held.shadow_partitions, target)
        if position is None:
            return None
        swapped = await self._succession.swap(
            shadow, self._leases.owner, timeout, self._who, self._why, keeps_up=target is not None
        )
        return position if swapped is not None else None

    async def _target(self, held: Standstill) -> int | None:
        """Where the shadow must be; None if the live rows tell of events that the log has lost."""
        try:
            if held.live is not None:
                await self._run.verify(held.live, held.live_partitions)
        except EpochChanged as error:
            logger.warning("the live rows are not of this log, and are replaced wherever they stand: %s", error)
            return None
        return held.target

    async def _finish(self, shadow: Generation, partitions: Sequence[Partition], target: int | None) -> int | None:
        """Bring the shadow to where the live generation stands; its position, None if that does not go now."""
        positions = []
        for partition in partitions:
            applier = self._run.applier(shadow, partition)
            while applier.position < (target or 0):
                await applier.look()
                done = await applier.page()
                if isinstance(done, Overtaken):
                    return None
                self._events += done.events * partition.share
                if done.failure is not None:
                    if is_retried(applier.partition):
                        return None
                    raise done.failure
            positions.append(applier.position)
        return min(positions)

    async def _partitions_of(self, shadow: Generation) -> Sequence[Partition]:
        partitions = await self._run.load(shadow)
        if not partitions:
            raise ShadowGone(shadow.name)
        return partitions

    def _report(self, phase: Phase, partitions: Sequence[Partition], total: int) -> None:
        if self._watch is not None:
            done = round(sum(partition.position * partition.share for partition in partitions))
            self._watch(progress(self._projection.name, phase, done, total, self._pace.note(monotonic(), done)))

    async def _release(self) -> None:
        try:
            await self._leases.release_all()
        except StoreUnavailable as error:
            logger.info("a rebuild cannot release its leases, which run out by themselves: %s", error)
