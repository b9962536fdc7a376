"""Events set aside: the one that could not be applied to a key's row, and those of the same key behind it, in order."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import RecordedEvent, moment
from leftfold.read.compiling import compiled_text

_COLUMNS = "key, position, event_id, stream, type, error, traceback, parked_at"
_PARK = f"""INSERT INTO {{table}} (name, generation, {_COLUMNS})
    VALUES (:name, :generation, :key, :position, :event_id, :stream, :type, :error, :traceback, :now)"""
_ALL = f"SELECT {_COLUMNS} FROM {{table}} WHERE name = :name AND generation = :generation ORDER BY position, key"
_KEYS = "SELECT DISTINCT key FROM {table} WHERE name = :name AND generation = :generation"
_COUNT = (
    """SELECT name, generation, count(*), count(DISTINCT key), min(position) FROM {table} GROUP BY name, generation"""
)
_TAKE = """DELETE FROM {table}
    WHERE name = :name AND generation = :generation AND key = :key AND position <= :position"""
_FORGET = "DELETE FROM {table} WHERE name = :name AND generation = :generation"
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """``key`` is JSON. ``error`` is None for an event that only waits behind the one that has one."""

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
    """How many events of how many keys a generation has set aside, and the position of the first."""

    events: int
    keys: int
    first: int


class Parking:
    """The table of parked events in a database."""

    def __init__(self, database: Database) -> None:
        self._park, self._all, self._keys, self._count, self._take, self._forget = (
            compiled_text(sql.format(table=database.table("parked")), database.dialect)
            for sql in (_PARK, _ALL, _KEYS, _COUNT, _TAKE, _FORGET)
        )

    async def park(self, connection: Connection, name: str, generation: int, events: Sequence[ParkedEvent]) -> None:
        """Set events aside, in the transaction that moves the checkpoint past them."""
        for one in events:
            await connection.execute(
                *self._park.bind(
                    name=name,
                    generation=generation,
                    key=one.key,
                    position=one.position,
                    event_id=one.event_id,
                    stream=one.stream,
                    type=one.type,
                    error=one.error,
                    traceback=one.traceback,
                    now=one.parked_at,
                )
            )

    async def all(self, connection: Connection, name: str, generation: int) -> list[ParkedEvent]:
        """What a generation has set aside, in the order of the log."""
        rows = await connection.execute(*self._all.bind(name=name, generation=generation))
        return [ParkedEvent(*row) for row in rows]

    async def keys(self, connection: Connection, name: str, generation: int) -> set[str]:
        """The keys that have anything set aside."""
        return {key for (key,) in await connection.execute(*self._keys.bind(name=name, generation=generation))}

    async def count(self, connection: Connection) -> dict[tuple[str, int], ParkedCount]:
        """How much is set aside, by name and generation."""
        rows = await connection.execute(*self._count.bind())
        return {(name, generation): ParkedCount(events, keys, first) for name, generation, events, keys, first in rows}

    async def take(self, connection: Connection, name: str, generation: int, key: str, position: int) -> None:
        """A key's events up to there are not set aside any more."""
        await connection.execute(*self._take.bind(name=name, generation=generation, key=key, position=position))

    async def forget(self, connection: Connection, name: str, generation: int) -> None:
        """None are, any more."""
        await connection.execute(*self._forget.bind(name=name, generation=generation))


def key_text(values: Sequence[Any]) -> str:
    """A key as it is kept: a JSON list of its values."""
    return msgspec.json.encode(values).decode()


def parked(key: str, recorded: RecordedEvent, error: Exception | None) -> ParkedEvent:
    """An event to be set aside for a key, because of an error or, without one, behind another."""
    told = None if error is None else f"{type(error).__name__}: {error}"
    trace = None if error is None else "".join(traceback.format_exception(error))[-_LONGEST:]
    now = moment.to_text(datetime.now(UTC))
    return ParkedEvent(key, recorded.position, str(recorded.id), recorded.stream, recorded.type, told, trace, now)
