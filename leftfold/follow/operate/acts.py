"""What people do to running projections: pause, resume, retry, skip, unpark. Each act is kept, with who and why.

An act takes effect when it returns: it raises the fences of the partitions that it is about, so that whoever is at work
on one is overtaken and looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidArgument, InvalidState
from leftfold.events import Query, RecordedEvent, moment
from leftfold.follow.checkpoints.audit import AuditLog, user_at_host
from leftfold.follow.checkpoints.generation import Generation, Paused
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedEvent, ParkedEvents, parked
from leftfold.follow.checkpoints.partition import Failure, Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.log.contract import Log
from leftfold.log.select import Range


@dataclass(frozen=True, slots=True)
class Unparked:
    """How many events that were parked have been applied now, and how many still are parked."""

    applied: int
    left: int


class ParkedHandler(Protocol):
    """How a kind of processor applies the events that it has parked for a key."""

    def text_of(self, key: Any) -> str:
        """The key as parked events keep it."""

    async def apply(
        self, connection: Connection, generation: Generation, key: str, events: Sequence[RecordedEvent]
    ) -> tuple[int, Exception | None]:
        """Apply a key's events in order until one fails: how many were applied, and why the next was not."""


class Acts:
    """Acts on the live generations of processors in a database. Only `unpark` needs their code."""

    def __init__(self, log: Log, database: Database) -> None:
        self._log = log
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database, outside=database is not log.database)
        self._acts = AuditLog(database)
        self._parking = ParkedEvents(database)

    async def pause(self, name: str, *, who: str | None, why: str) -> None:
        """Nothing is applied any more when this returns, until `resume`. Once paused, who paused first stays told."""
        async with self._database.transaction() as connection:
            live = await self._live(connection, name)
            if live.mode == "inline":
                raise InvalidState(
                    f"projection {name!r} is maintained inside appends, and cannot be paused: switch it, "
                    f"projector.switch({name!r}, to='background')"
                )
            if live.paused is None:
                paused = Paused(who or user_at_host(), why, _now())
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
        survey = await self._log.state(position)
        async with self._database.transaction() as connection:
            stuck = await self._stuck(connection, await self._live(connection, name))
            at = [(one, failure) for one, failure in stuck if failure.position == position]
            if not at or survey.found_id is None:
                standing = ", ".join(str(failure.position) for _, failure in stuck)
                raise InvalidState(f"projection {name!r} does not stand still at {position}, but at {standing}")
            for one, failure in at:
                behind = replace(one, position=position, event_id=str(survey.found_id), epoch=survey.epoch)
                await self._move(connection, one, behind, None)
                await self._acts.record(connection, name, "skip", who, why, _told(failure))
        return at[0][1]

    async def unpark(
        self, name: str, handler: ParkedHandler, *, who: str | None, why: str, key: Any = None
    ) -> Unparked:
        """Apply what is parked, of one key or of all, in order. A key whose event fails again keeps the rest."""
        only = None if key is None else handler.text_of(key)
        events: dict[int, RecordedEvent] = {}
        while True:
            async with self._database.transaction() as connection:
                aside = await self._aside(connection, await self._live(connection, name), only)
            if not aside:
                what = "nothing is parked" if key is None else f"nothing is parked for {key!r}"
                raise InvalidState(f"{what} of projection {name!r}")
            for event in aside:  # before the transaction, which is short
                events[event.position] = events.get(event.position) or await self._recorded(event)
            async with self._database.transaction() as connection:
                live = await self._live(connection, name)
                await self._partitions.fence(connection, name, live.number)
                aside = await self._aside(connection, live, only)
                if not all(event.position in events for event in aside):  # more was parked meanwhile: read that, too
                    continue
                left = 0
                for text in dict.fromkeys(event.key for event in aside):
                    of_key = [event for event in aside if event.key == text]
                    left += await self._apply(connection, handler, live, of_key, events)
                done = Unparked(len(aside) - left, left)
                details = {"key": only, "applied": done.applied, "left": left}
                await self._acts.record(connection, name, "unpark", who, why, details)
                return done

    async def _aside(self, connection: Connection, live: Generation, only: str | None) -> list[ParkedEvent]:
        aside = await self._parking.all(connection, live.name, live.number)
        return [event for event in aside if only in (None, event.key)]

    async def _apply(
        self,
        connection: Connection,
        handler: ParkedHandler,
        live: Generation,
        aside: Sequence[ParkedEvent],
        events: Mapping[int, RecordedEvent],
    ) -> int:
        """Apply one key's events until one fails; how many are left."""
        key = aside[0].key
        done, error = await handler.apply(connection, live, key, [events[event.position] for event in aside])
        last = aside[min(done, len(aside) - 1)]
        await self._parking.take(connection, live.name, live.number, key, last.position)
        if error is not None:
            failed = parked(key, events[aside[done].position], error)
            await self._parking.park(connection, live.name, live.number, [failed])
        return len(aside) - done

    async def _recorded(self, event: ParkedEvent) -> RecordedEvent:
        found = await self._log.read_log_page(Query.ALL, Range(event.position - 1, event.position, 1))
        if not found or str(found[0].id) != event.event_id:
            raise InvalidState(
                f"the event {event.event_id} at position {event.position}, which is parked, is not in the log any "
                "more: rebuild the projection"
            )
        return found[0]

    async def _live(self, connection: Connection, name: str) -> Generation:
        """The live generation, which stays it until the transaction ends."""
        live = (await self._generations.lock(connection, name)).get("live")
        if live is None:
            raise unknown(name, {generation.name for generation in await self._generations.all(connection)})
        return live

    async def _stuck(self, connection: Connection, live: Generation) -> list[tuple[Partition, Failure]]:
        parts = await self._partitions.load(connection, live.name, live.number)
        stuck = [(one, one.failure) for one in parts if one.failure is not None]
        if not stuck:
            raise InvalidState(f"projection {live.name!r} does not stand still in front of any event")
        return stuck

    async def _move(self, connection: Connection, seen: Partition, to: Partition, failure: Failure | None) -> None:
        if not await self._partitions.put(connection, seen, to, failure):
            raise InvalidState(f"projection {seen.name!r} has moved on meanwhile: look again")


def unknown(name: str, known: Iterable[str]) -> InvalidArgument:
    """The error for a name that no processor in a database has."""
    listed = ", ".join(sorted(known)) or "none"
    return InvalidArgument(f"there is no processor {name!r} in this database; there are: {listed}")


def _told(failure: Failure) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(failure)
    del told["traceback"]
    return told


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
