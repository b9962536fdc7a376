"""What people do to running processors: pause, resume, retry, skip, unpark. The audit log keeps who did it and why.

An act takes effect when it returns. It raises the fences of its partitions, or moves their checkpoints. So a worker
that is at such a partition is overtaken, and looks again.
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
        self._audit = AuditLog(database)
        self._parked = ParkedEvents(database)

    async def pause(self, name: str, *, who: str | None, why: str) -> None:
        """Apply nothing any more when this returns, until `resume`. A second pause changes nothing."""
        async with self._database.transaction() as connection:
            live = await self._live(connection, name)
            if live.mode == "inline":
                raise InvalidState(
                    f"processor {name!r} is maintained inside appends, and cannot be paused: switch it, "
                    f"projector.switch({name!r}, to='background')"
                )
            if live.paused is None:
                paused = Paused(who or user_at_host(), why, _now())
                await self._generations.pause(connection, live, paused)
                await self._partitions.fence(connection, name, live.number)
                await self._audit.record(connection, name, "pause", who, why, {})

    async def resume(self, name: str, *, who: str | None, why: str) -> None:
        """Let it run again after `pause`."""
        async with self._database.transaction() as connection:
            live = await self._live(connection, name)
            if live.paused is not None:
                await self._generations.pause(connection, live, None)
                await self._audit.record(connection, name, "resume", who, why, msgspec.to_builtins(live.paused))

    async def retry(self, name: str, *, who: str | None, why: str) -> list[Failure]:
        """Let workers try the events again in front of which it stands still; what these are."""
        async with self._database.transaction() as connection:
            stuck = await self._stuck(connection, await self._live(connection, name))
            for partition, failure in stuck:
                again = msgspec.structs.replace(failure, attempts=0, retry_at=_now())
                await self._move(connection, partition, partition, again)
                await self._audit.record(connection, name, "retry", who, why, _details(failure))
        return [failure for _, failure in stuck]

    async def skip(self, name: str, *, who: str | None, why: str, position: int) -> Failure:
        """Go on behind the event at ``position``, in front of which it stands still, without ever applying it."""
        survey = await self._log.state(position)
        async with self._database.transaction() as connection:
            stuck = await self._stuck(connection, await self._live(connection, name))
            at = [(partition, failure) for partition, failure in stuck if failure.position == position]
            if not at or survey.found_id is None:
                positions = ", ".join(str(failure.position) for _, failure in stuck)
                raise InvalidState(f"processor {name!r} does not stand still at {position}, but at {positions}")
            for partition, failure in at:
                behind = replace(partition, position=position, event_id=str(survey.found_id), epoch=survey.epoch)
                await self._move(connection, partition, behind, None)
                await self._audit.record(connection, name, "skip", who, why, _details(failure))
        return at[0][1]

    async def unpark(
        self, name: str, handler: ParkedHandler, *, who: str | None, why: str, key: Any = None
    ) -> Unparked:
        """Apply what is parked, of one key or of all, in order. A key whose event fails again keeps the rest."""
        only = None if key is None else handler.text_of(key)
        events: dict[int, RecordedEvent] = {}
        while True:
            async with self._database.transaction() as connection:
                waiting = await self._parked_events(connection, await self._live(connection, name), only)
            if not waiting:
                what = "nothing is parked" if key is None else f"nothing is parked for {key!r}"
                raise InvalidState(f"{what} of processor {name!r}")
            for event in waiting:  # before the transaction, which is short
                events[event.position] = events.get(event.position) or await self._recorded(event)
            async with self._database.transaction() as connection:
                live = await self._live(connection, name)
                await self._partitions.fence(connection, name, live.number)
                waiting = await self._parked_events(connection, live, only)
                if not all(event.position in events for event in waiting):  # more was parked meanwhile: read that, too
                    continue
                left = 0
                for text in dict.fromkeys(event.key for event in waiting):
                    of_key = [event for event in waiting if event.key == text]
                    left += await self._apply(connection, handler, live, of_key, events)
                done = Unparked(len(waiting) - left, left)
                details = {"key": only, "applied": done.applied, "left": left}
                await self._audit.record(connection, name, "unpark", who, why, details)
                return done

    async def _parked_events(self, connection: Connection, live: Generation, only: str | None) -> list[ParkedEvent]:
        events = await self._parked.all(connection, live.name, live.number)
        return [event for event in events if only in (None, event.key)]

    async def _apply(
        self,
        connection: Connection,
        handler: ParkedHandler,
        live: Generation,
        waiting: Sequence[ParkedEvent],
        events: Mapping[int, RecordedEvent],
    ) -> int:
        """Apply one key's events until one fails; how many are left."""
        key = waiting[0].key
        done, error = await handler.apply(connection, live, key, [events[event.position] for event in waiting])
        last = waiting[min(done, len(waiting) - 1)]
        await self._parked.take(connection, live.name, live.number, key, last.position)
        if error is not None:
            failed = parked(key, events[waiting[done].position], error)
            await self._parked.park(connection, live.name, live.number, [failed])
        return len(waiting) - done

    async def _recorded(self, event: ParkedEvent) -> RecordedEvent:
        found = await self._log.read_log_page(Query.ALL, Range(event.position - 1, event.position, 1))
        if not found or str(found[0].id) != event.event_id:
            raise InvalidState(
                f"the event {event.event_id} at position {event.position}, which is parked, is not in the log any "
                "more: rebuild it from history"
            )
        return found[0]

    async def _live(self, connection: Connection, name: str) -> Generation:
        """The live generation, locked until the transaction ends."""
        live = (await self._generations.lock(connection, name)).get("live")
        if live is None:
            raise unknown(name, {generation.name for generation in await self._generations.all(connection)})
        return live

    async def _stuck(self, connection: Connection, live: Generation) -> list[tuple[Partition, Failure]]:
        partitions = await self._partitions.load(connection, live.name, live.number)
        stuck = [(partition, partition.failure) for partition in partitions if partition.failure is not None]
        if not stuck:
            raise InvalidState(f"processor {live.name!r} does not stand still in front of any event")
        return stuck

    async def _move(self, connection: Connection, seen: Partition, to: Partition, failure: Failure | None) -> None:
        if not await self._partitions.put(connection, seen, to, failure):
            raise InvalidState(f"processor {seen.name!r} has moved on meanwhile: look again")


def unknown(name: str, known: Iterable[str]) -> InvalidArgument:
    """The error for a name that no processor in a database has."""
    listed = ", ".join(sorted(known)) or "none"
    return InvalidArgument(f"there is no processor {name!r} in this database; there are: {listed}")


def _details(failure: Failure) -> dict[str, Any]:
    details: dict[str, Any] = msgspec.to_builtins(failure)
    del details["traceback"]
    return details


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
