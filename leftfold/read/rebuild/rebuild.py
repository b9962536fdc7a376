"""Rebuilds: rows made anew from history beside the live ones, and then put in their place.

The live generation is maintained and read all the while. When the new rows have come close to the head, both stand
still for a moment, leased by the rebuild: the last events are applied, and one transaction swaps the tables. Whoever
dies at whatever point leaves leases that end by themselves, and a shadow that the next rebuild goes on with.
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
from leftfold.follow.checkpoints.partition import Partition, Place
from leftfold.follow.checkpoints.workers import new_worker_id
from leftfold.follow.run.reader import RememberingReader
from leftfold.follow.run.run import ProcessorRun
from leftfold.log.buckets import BUCKETS
from leftfold.log.contract import Log
from leftfold.read.apply.live import LiveRows
from leftfold.read.apply.maintainers import tables_of
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.rebuild.patience import FIRST_PATIENCE, LONGEST_PATIENCE, PAUSE, Busy, in_the_way
from leftfold.read.rebuild.progress import Pace, Phase, RebuildProgress, progress
from leftfold.read.rebuild.side_by_side import RebuildComparison, SideBySide
from leftfold.read.rebuild.succession import REBUILD, Held, ShadowGone, Succession
from leftfold.read.rebuild.workers import RebuildWorkers, Until, is_retried, to_the_head

_TICK = 0.2
_SWAP_SECONDS = 60.0
_SAMPLE = 20
_MOST_LANES = 8  # more would only wait for one another: they fold on one core, and lease a connection each
logger = logging.getLogger("leftfold")

Watch = Callable[[RebuildProgress], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild has come to: rows of that version up to ``position``, live if ``swapped``.

    ``events`` were folded here, by this call, in ``seconds``.
    """

    projection: str
    version: int
    position: int
    events: int
    seconds: float
    swapped: bool
    comparison: RebuildComparison | None


class Rebuild:
    """One call of rebuild: one of any number that may be at it."""

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
        self._id = REBUILD + new_worker_id()
        self._log = log
        self._database = database
        self._projection = projection
        self._page_events = page_events
        self._lease_seconds = lease_seconds
        self._parts = min(BUCKETS, 1 << (parts - 1).bit_length()) if projection.can_be_split else 1
        self._watch = watch
        self._who = who
        self._why = why
        self._count = min(self._parts, _MOST_LANES)
        reader = RememberingReader(log, 2 * self._count)
        self._rows = LiveRows(log, database, projection, cached_rows)
        self._run = ProcessorRun(log, database, self._rows, page_events=page_events, reader=reader)
        self._succession = Succession(log, database)
        self._pace = Pace()
        self._held: set[Place] = set()
        self._lanes: RebuildWorkers | None = None
        self._events = 0.0
        self._over = False

    async def run(self, *, compare: bool, swap: bool) -> Rebuilt:
        """From the beginning, or from where a rebuild before it has stopped, to the end."""
        started, name = monotonic(), self._projection.name
        tables = tables_of(self._projection, self._database, "shadow")
        shadow = await self._succession.begin(self._rows.blueprint, tables, self._parts, self._who, self._why)
        beating = self._database.waiting.background(self._beat)
        comparison = None
        try:
            if compare:
                comparison = await self._compare(shadow)
            position = await self._build(shadow)
            if swap:
                await self._succession.index(shadow)
                position = await self._swap(shadow)
        except ShadowGone:  # another rebuild has come to the end of it
            live = await self._rows.live()
            if live is None or not live.is_the_one(shadow):
                raise
            position, swap = min((one.position for one in await self._run.load(live)), default=0), True
        finally:
            self._over = True
            await beating.join()
            await self._let_go()
        return Rebuilt(name, shadow.version, position, round(self._events), monotonic() - started, swap, comparison)

    async def _compare(self, shadow: Generation) -> RebuildComparison:
        """Where the live rows stand, before the new ones go further."""
        live = await self._rows.live()
        if live is None or not isinstance(self._projection, Projection):
            tables = ", ".join(shadow.tables)
            why = "there are no others" if live is None else (
                f"it is not a keyed one. Rebuild it with swap=False, and compare {tables} with what has "
                f"{SUFFIX['shadow']} behind the name yourself"
            )  # fmt: skip
            raise NotSupported(f"the new rows of projection {shadow.name!r} cannot be compared: {why}")

        await self._verify(await self._run.load(live))

        async def where_it_stands() -> Partition | None:
            return max(await self._run.load(live), key=lambda one: one.position, default=None)

        await self._build(shadow, where_it_stands)
        self._tell("comparing", await self._parts_of(shadow), await self._log.head())
        return await SideBySide(self._log, self._database, self._projection).compare(live, shadow, _SAMPLE)

    async def _build(self, shadow: Generation, until: Until = to_the_head) -> int:
        """Until the new rows have caught up with what was there at first, and are within a page of the head now."""
        goal = await self._log.head()
        lanes = self._lanes = RebuildWorkers(
            self._log, self._database, self._run, shadow, self._id, self._lease_seconds, self._count, until
        )
        try:
            async with lanes:
                while True:
                    lanes.woken.clear()
                    lanes.check()
                    parts, stop = await self._parts_of(shadow), await until()
                    head = await self._log.head()
                    self._tell("building", parts, head)
                    position = min(one.position for one in parts)
                    if position >= (max(goal, head - self._page_events) if stop is None else stop.position):
                        return position
                    await lanes.woken.wait(_TICK)
        finally:
            self._events += lanes.events
            self._lanes = None

    async def _swap(self, shadow: Generation) -> int:
        """Again and again, for a moment each time, until both have stood still and nobody was in the way."""
        patience, deadline = FIRST_PATIENCE, monotonic() + _SWAP_SECONDS
        while True:
            try:
                held = await self._succession.hold(shadow, self._id, self._lease_seconds, patience)
                self._held = {one.place for one in (*held.live_parts, *held.shadow_parts)}
                target = await self._target(held)
                self._tell("swapping", held.shadow_parts, target or await self._log.head())
                position = await self._finish(shadow, held.shadow_parts, target)
                if position is not None and await self._succession.swap(
                    shadow, self._id, patience, self._who, self._why, keeps_up=target is not None
                ):
                    return position
            except Busy:
                pass
            finally:
                self._held = set()
                await self._let_go()
            if monotonic() > deadline:
                raise await self._stuck(shadow)
            await self._database.sleep(PAUSE)
            patience = min(LONGEST_PATIENCE, patience * 1.5)
            await self._build(shadow)

    async def _target(self, held: Held) -> int | None:
        """Where the shadow must be; None if the live rows tell of events that the log has lost."""
        try:
            await self._verify(held.live_parts)
        except EpochChanged as error:
            logger.warning("the live rows are not of this log, and go whatever they tell: %s", error)
            return None
        return held.target

    async def _verify(self, parts: Sequence[Partition]) -> None:
        """`EpochChanged` if they do not stand on this log."""
        for one in parts:
            await one.standing_in(self._log).head()

    async def _finish(self, shadow: Generation, parts: Sequence[Partition], target: int | None) -> int | None:
        """Bring the shadow to where the live generation stands; its position, None if that does not go now."""
        positions = []
        for one in parts:
            applier = self._run.applier(shadow, one)
            while applier.position < (target or 0):
                await applier.look()
                done = await self._run.page(applier)
                if done is None:
                    return None
                self._events += done.events * one.share
                if done.failure is not None:
                    if is_retried(applier.partition):
                        return None
                    raise done.failure
            positions.append(applier.position)
        return min(positions)

    async def _parts_of(self, shadow: Generation) -> Sequence[Partition]:
        parts = await self._run.load(shadow)
        if not parts:
            raise ShadowGone(shadow.name)
        return parts

    def _tell(self, phase: Phase, parts: Sequence[Partition], total: int) -> None:
        if self._watch is not None:
            done = round(sum(one.position * one.share for one in parts))
            self._watch(progress(self._projection.name, phase, done, total, self._pace.note(monotonic(), done)))

    async def _beat(self) -> None:
        """Renew the leases, beside the work."""
        every = self._lease_seconds / 4
        due = monotonic() + every
        while not self._over:
            if monotonic() < due:
                await self._database.sleep(min(0.05, every))
                continue
            due = monotonic() + every
            held = {*self._held, *(self._lanes.held if self._lanes is not None else ())}
            try:
                async with self._database.connection() as connection:
                    for place in held:
                        await self._run.partitions.renew(connection, place, self._id, self._lease_seconds)
            except StoreUnavailable as error:
                logger.info("a rebuild could not renew its leases: %s", error)

    async def _let_go(self) -> None:
        try:
            await self._succession.release(self._id)
        except StoreUnavailable as error:
            logger.info("a rebuild leaves its leases to end by themselves: %s", error)

    async def _stuck(self, shadow: Generation) -> StoreUnavailable:
        names = [table + suffix for table in shadow.tables for suffix in SUFFIX.values()]
        return await in_the_way(self._database, [*names, "partitions"], f"the swap of {shadow.name!r}")
