"""What people do to running projections: pause, resume, retry, skip, unpark. Each act is kept, with who and why.

An act takes effect when it returns: it raises the fences of the partitions that it is about, so that whoever is at work
on one is overtaken and looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent, moment
from leftfold.log import Log
from leftfold.log.selection import Range
from leftfold.read.acts import Acts, whoever
from leftfold.read.folding import changes
from leftfold.read.generations import Generation, Generations, Paused
from leftfold.read.parking import ParkedEvent, Parking, key_text, parked
from leftfold.read.partition import Failure, Partition
from leftfold.read.partitions import Partitions
from leftfold.read.tables import table_in

if TYPE_CHECKING:
    from leftfold.read.projection import Projection


@dataclass(frozen=True, slots=True)
class Unparked:
    """How many events that were set aside have been applied now, and how many still are aside."""

    applied: int
    left: int


class Operating:
    """Acts on the live generations of projections in a database. Only `unpark` needs their code."""

    def __init__(self, log: Log, database: Database) -> None:
        self._log = log
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database, outside=database is not log.database)
        self._acts = Acts(database)
        self._parking = Parking(database)

    async def pause(self, name: str, *, who: str | None, why: str) -> None:
        """Nothing is applied any more when this returns, until `resume`. Once paused, who paused first stays told."""
        async with self._database.transaction() as connection:
            live = await self._live(connection, name)
            if live.mode == "inline":
                raise InvalidArgument(
                    f"projection {name!r} is maintained inside appends, and cannot be paused: make it asynchronous, "
                    f"projector.make_async({name!r})"
                )
            if live.paused is None:
                paused = Paused(who or whoever(), why, _now())
                await self._generations.pause(connection, live, paused)
                await self._partitions.fence(connection, name, live.number)
                await self._acts.record(connection, name, "pause", who, why, {})

    async def resume(self, name: str, *, who: str | None, why: str) -> None:
        """Let it run again after `pause`."""
        async with self._database.transaction() as connection:
            live = await self._live(connection, name)
            if live.paused is not None:
                await self._generations.pause(connection, live, None)
                await self._acts.record(connection, name, "resume", who, why, msgspec.to_builtins(live.paused))

    async def retry(self, name: str, *, who: str | None, why: str) -> list[Failure]:
        """Let workers try the events again in front of which it stands still; what these are."""
        async with self._database.transaction() as connection:
            stuck = await self._stuck(connection, await self._live(connection, name))
            for one, failure in stuck:
                again = msgspec.structs.replace(failure, attempts=0, retry_at=_now())
                await self._move(connection, one, one, again)
                await self._acts.record(connection, name, "retry", who, why, _told(failure))
        return [failure for _, failure in stuck]

    async def skip(self, name: str, *, who: str | None, why: str, position: int) -> Failure:
        """Go on behind the event at ``position``, in front of which it stands still, without ever applying it."""
        survey = await self._log.survey(position)
        async with self._database.transaction() as connection:
            stuck = await self._stuck(connection, await self._live(connection, name))
            at = [(one, failure) for one, failure in stuck if failure.position == position]
            if not at or survey.found_id is None:
                standing = ", ".join(str(failure.position) for _, failure in stuck)
                raise InvalidArgument(f"projection {name!r} does not stand still at {position}, but at {standing}")
            for one, failure in at:
                behind = replace(one, position=position, event_id=str(survey.found_id), epoch=survey.epoch)
                await self._move(connection, one, behind, None)
                await self._acts.record(connection, name, "skip", who, why, _told(failure))
        return at[0][1]

    async def unpark(self, projection: Projection[Any], *, who: str | None, why: str, key: Any = None) -> Unparked:
        """Apply what is set aside, of one key or of all, in order; a key whose event fails again keeps the rest."""
        only = None if key is None else key_text(projection.definition.kept_key(key))
        events: dict[int, RecordedEvent] = {}
        while True:
            async with self._database.transaction() as connection:
                live = await self._live(connection, projection.name)
                aside = await self._aside(connection, live, only)
            if not aside:
                what = "nothing is set aside" if key is None else f"nothing is set aside for {key!r}"
                raise InvalidArgument(f"{what} of projection {projection.name!r}")
            for one in aside:  # before the transaction, which is short
                events[one.position] = events.get(one.position) or await self._recorded(one)
            async with self._database.transaction() as connection:
                live = await self._live(connection, projection.name)
                await self._partitions.fence(connection, live.name, live.number)
                aside = await self._aside(connection, live, only)
                if not all(one.position in events for one in aside):
                    continue
                left = 0
                for text in dict.fromkeys(one.key for one in aside):
                    of_key = [one for one in aside if one.key == text]
                    left += await self._apply(connection, projection, live, of_key, events)
                done = Unparked(len(aside) - left, left)
                details = {"key": only, "applied": done.applied, "left": left}
                await self._acts.record(connection, live.name, "unpark", who, why, details)
                return done

    async def _aside(self, connection: Connection, live: Generation, only: str | None) -> list[ParkedEvent]:
        aside = await self._parking.all(connection, live.name, live.number)
        return [one for one in aside if only in (None, one.key)]

    async def _apply(
        self,
        connection: Connection,
        projection: Projection[Any],
        live: Generation,
        aside: Sequence[ParkedEvent],
        events: Mapping[int, RecordedEvent],
    ) -> int:
        """Apply one key's events until one fails; how many are left."""
        table = table_in(self._database, projection.definition, live.role)
        key = _key_in(projection, events[aside[0].position], aside[0].key)
        before = await table.fetch(connection, [key])
        row, done, failed = before[key], 0, None
        for one in aside:
            try:
                row = projection.evolve(row, events[one.position], key)
            except Exception as error:
                failed = parked(one.key, events[one.position], error)
                break
            done += 1
        written, deleted = changes(before, {key: row})
        if written:
            await table.write(connection, written)
        if deleted:
            await table.delete(connection, deleted)
        last = aside[min(done, len(aside) - 1)]
        await self._parking.take(connection, live.name, live.number, last.key, last.position)
        if failed is not None:
            await self._parking.park(connection, live.name, live.number, [failed])
        return len(aside) - done

    async def _recorded(self, one: ParkedEvent) -> RecordedEvent:
        found = await self._log.read_log_page(Query.ALL, Range(one.position - 1, one.position, 1))
        if not found or str(found[0].id) != one.event_id:
            raise InvalidArgument(
                f"the event {one.event_id} at position {one.position}, which is set aside, is not in the log any more: "
                "rebuild the projection"
            )
        return found[0]

    async def _live(self, connection: Connection, name: str) -> Generation:
        """The live generation, which stays it until the transaction ends."""
        live = (await self._generations.lock(connection, name)).get("live")
        if live is None:
            known = ", ".join(sorted({one.name for one in await self._generations.all(connection)})) or "none"
            raise InvalidArgument(f"there is no projection {name!r} in this database; there are: {known}")
        return live

    async def _stuck(self, connection: Connection, live: Generation) -> list[tuple[Partition, Failure]]:
        parts = await self._partitions.load(connection, live.name, live.number)
        stuck = [(one, one.failure) for one in parts if one.failure is not None]
        if not stuck:
            raise InvalidArgument(f"projection {live.name!r} does not stand still in front of any event")
        return stuck

    async def _move(self, connection: Connection, seen: Partition, to: Partition, failure: Failure | None) -> None:
        if not await self._partitions.put(connection, seen, to, failure):
            raise InvalidArgument(f"projection {seen.name!r} has moved on meanwhile: look again")


def _key_in(projection: Projection[Any], recorded: RecordedEvent, text: str) -> Any:
    """The key of the row, as the projection tells it."""
    as_text: Callable[[Any], str] = lambda key: key_text(projection.definition.kept_key(key))  # noqa: E731
    return next(key for key in projection.keys_of(recorded) if as_text(key) == text)


def _told(failure: Failure) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(failure)
    del told["traceback"]
    return told


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
