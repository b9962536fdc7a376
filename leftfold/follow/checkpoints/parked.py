"""Parked events: the event that could not be applied for a key, and later ones of the same key, in order."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import RecordedEvent, moment
from leftfold.follow.checkpoints.statements import Statements

_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """``key`` is JSON. ``error`` is None for an event that only waits behind the one that failed."""

    key: str
    position: int
    event_id: str
    stream: str
    type: str
    error: str | None
    traceback: str | None
    parked_at: str


@dataclass(frozen=True, slots=True)
class ParkedCount:
    """How many events of how many keys a generation has parked, and the position of the first."""

    events: int
    keys: int
    first: int


class ParkedEvents:
    """The table of parked events in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("parked", database).run

    async def park(self, connection: Connection, name: str, generation: int, events: Sequence[ParkedEvent]) -> None:
        """Park events, in the transaction that moves the checkpoint past them."""
        for event in events:
            await self._run(connection, "park", name=name, generation=generation, **asdict(event))

    async def all(self, connection: Connection, name: str, generation: int) -> list[ParkedEvent]:
        """The parked events of a generation, in the order of the log."""
        rows = await self._run(connection, "all", name=name, generation=generation)
        return [ParkedEvent(*row) for row in rows]

    async def keys(self, connection: Connection, name: str, generation: int) -> set[str]:
        """The keys that have parked events."""
        return {key for (key,) in await self._run(connection, "keys", name=name, generation=generation)}

    async def count(self, connection: Connection) -> dict[tuple[str, int], ParkedCount]:
        """How much is parked, by name and generation."""
        rows = await self._run(connection, "count")
        return {(name, generation): ParkedCount(events, keys, first) for name, generation, events, keys, first in rows}

    async def take(self, connection: Connection, name: str, generation: int, key: str, position: int) -> None:
        """Unpark a key's events up to a position."""
        await self._run(connection, "take", name=name, generation=generation, key=key, position=position)

    async def forget(self, connection: Connection, name: str, generation: int) -> None:
        """Drop all parked events of a generation."""
        await self._run(connection, "forget", name=name, generation=generation)


def key_text(values: Sequence[Any]) -> str:
    """A key as it is kept: a JSON list of its values."""
    return msgspec.json.encode(values).decode()


def parked(key: str, recorded: RecordedEvent, error: Exception | None) -> ParkedEvent:
    """An event to be parked for a key: with its error, or without one behind the event that failed."""
    message = None if error is None else f"{type(error).__name__}: {error}"
    trace = None if error is None else "".join(traceback.format_exception(error))[-_LONGEST:]
    now = moment.to_text(datetime.now(UTC))
    return ParkedEvent(key, recorded.position, str(recorded.id), recorded.stream, recorded.type, message, trace, now)
