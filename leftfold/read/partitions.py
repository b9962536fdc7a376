"""The table of partitions: how their checkpoints move, and the leases of those who move them.

A checkpoint moves by compare-and-set, first thing in the transaction that writes the rows. The row lock that it takes
keeps everybody else who would move it waiting until the commit, and makes them find themselves overtaken. So rows and
checkpoint are right whoever believes to hold the lease; a lease only keeps two from doing the same work. Its fence
rises with each claim, split and merge (Kleppmann, 2016), so that who has slept through one is overtaken, too. No fence
ever comes again for a bucket: a merged partition is beyond both of its halves, and one that is begun is beyond all that
were struck off, whose generation may have had the same number.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.log.buckets import BUCKETS
from leftfold.log.standing import Standing
from leftfold.read import clock
from leftfold.read.compiling import compiled_text
from leftfold.read.partition import Failure, Partition, Place

_SELECT = """SELECT c.name, c.generation, c.first, c.last, c.position, c.event_id, c.epoch, c.store, c.updated_at,
        c.applied, c.rate, c.fence, c.owner, p.role, p.begun_at, p.paused IS NOT NULL, c.failure,
        coalesce(c.lease_until > {now}, {false})
    FROM {table} c LEFT JOIN {projections} p ON p.name = c.name AND p.generation = c.generation"""
_ALL = f"{_SELECT} ORDER BY c.name, c.generation, c.first"
_LOAD = f"{_SELECT} WHERE c.name = :name AND c.generation = :generation ORDER BY c.first"
_ONE = f"{_SELECT} WHERE c.name = :name AND c.generation = :generation AND c.first = :first AND c.last = :last"
_LOCK = "SELECT generation, first FROM {table} WHERE name = :name ORDER BY generation, first {for_update}"
_OWN = "SELECT name, generation, first FROM {table} WHERE owner = :owner"
_ADD = """INSERT INTO {table} (name, generation, first, last, position, event_id, epoch, store, updated_at, fence)
    VALUES (:name, :generation, :first, :last, :position, :event_id, :epoch, :store, :now, :fence)"""
_MOVE = """UPDATE {table} SET position = :position, event_id = :event_id, epoch = :epoch, store = :store,
        updated_at = :now, applied = :applied, rate = :rate, failure = :failure
    WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence
        AND position = :seen AND updated_at = :seen_at RETURNING position"""
_PUT = """UPDATE {table}
    SET position = :position, event_id = :event_id, epoch = :epoch, failure = :failure, updated_at = :now
    WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence AND position = :seen
    RETURNING position"""
_CLAIM = """UPDATE {table} SET owner = :owner, lease_until = {ahead}, fence = fence + 1
    WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence
        AND (owner IS NULL OR owner = :owner OR lease_until <= {now}) RETURNING fence"""
_RENEW = """UPDATE {table} SET lease_until = {ahead}
    WHERE owner = :owner AND name = :name AND generation = :generation AND first = :first"""
_RELEASE = """UPDATE {table} SET owner = NULL, lease_until = NULL
    WHERE owner = :owner AND name = :name AND generation = :generation AND first = :first"""
_EXTEND = """UPDATE {table} SET last = :last, fence = :beyond + 1
    WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence RETURNING fence"""
_REMOVE = """DELETE FROM {table}
    WHERE name = :name AND generation = :generation AND first = :first AND fence = :fence AND position = :position
    RETURNING fence"""
_SEIZE = """UPDATE {table} SET fence = fence + 1, owner = :owner, lease_until = {ahead}
    WHERE name = :name AND generation = :generation"""
_FENCE = """UPDATE {table} SET fence = fence + 1, owner = NULL, lease_until = NULL
    WHERE name = :name AND generation = :generation"""
_FORGET = "DELETE FROM {table} WHERE name = :name AND generation = :generation"


class Partitions:
    """The table of partitions in a database; ``outside`` tells that the log is in another one."""

    def __init__(self, database: Database, *, outside: bool = False) -> None:
        self._outside = outside
        self._dialect = database.dialect
        self._table = database.table("partitions")
        words = {
            "table": self._table,
            "projections": database.table("projections"),
            "now": clock.now(database.dialect),
            "ahead": clock.ahead(database.dialect),
            "false": "0" if database.dialect == "sqlite" else "false",
            "for_update": "" if database.dialect == "sqlite" else "FOR UPDATE",
        }
        self._statements = {
            sql: compiled_text(sql.format(**words), database.dialect)
            for sql in (
                *(_ALL, _LOAD, _ONE, _OWN, _LOCK, _ADD, _MOVE, _PUT, _CLAIM, _RENEW, _RELEASE),
                *(_EXTEND, _REMOVE, _SEIZE, _FENCE, _FORGET),
            )
        }

    async def all(self, connection: Connection) -> list[Partition]:
        """Every partition of every generation."""
        return [_partition(row) for row in await self._run(connection, _ALL)]

    async def load(self, connection: Connection, name: str, generation: int) -> list[Partition]:
        """A generation's partitions, in order."""
        return [_partition(row) for row in await self._run(connection, _LOAD, name=name, generation=generation)]

    async def again(self, connection: Connection, partition: Partition) -> Partition | None:
        """The same one as it is now; None if it has been split, merged or forgotten."""
        rows = await self._run(connection, _ONE, **_place(partition), last=partition.last)
        return _partition(rows[0]) if rows else None

    async def lock(self, connection: Connection, name: str) -> None:
        """Let nobody move any of a projection's before the transaction ends: all of them, in the one order of locks.

        Also those that a split has made while this waited for it, and which another might split again.
        """
        locked, found = None, await self._run(connection, _LOCK, name=name)
        while found != locked:
            locked, found = found, await self._run(connection, _LOCK, name=name)

    async def begin(self, connection: Connection, name: str, generation: int, *, parts: int = 1) -> None:
        """So many equal partitions, a power of two, at 0."""
        width = BUCKETS // parts
        for first in range(0, BUCKETS, width):
            await self._run(
                connection, _ADD, name=name, generation=generation, first=first, last=first + width - 1, position=0,
                event_id=None, epoch=1, store=None, now=_now(), fence=time.time_ns() // 1_000,
            )  # fmt: skip

    async def move(
        self,
        connection: Connection,
        seen: Partition,
        to: Standing,
        *,
        applied: int = 0,
        rate: float | None = None,
        failure: Failure | None = None,
    ) -> Partition | None:
        """Move on, if it still stands where it was seen; None if somebody else has moved it or taken it over."""
        assert to.epoch is not None, "it has seen the horizon"
        moved = replace(
            seen,
            position=to.position,
            event_id=None if to.event_id is None else str(to.event_id),
            epoch=to.epoch,
            store=str(to.store) if self._outside else None,
            updated_at=_now(),
            applied=seen.applied + applied,
            rate=seen.rate if rate is None else rate,
            failure=failure,
        )
        done = await self._run(
            connection,
            _MOVE,
            **_place(seen),
            fence=seen.fence,
            seen=seen.position,
            seen_at=seen.updated_at,
            position=moved.position,
            event_id=moved.event_id,
            epoch=moved.epoch,
            store=moved.store,
            now=moved.updated_at,
            applied=moved.applied,
            rate=moved.rate,
            failure=None if failure is None else msgspec.json.encode(failure).decode(),
        )
        return moved if done else None

    async def put(self, connection: Connection, seen: Partition, to: Partition, failure: Failure | None) -> bool:
        """Let it stand there, by decision of somebody, if it still stands where it was seen. Its worker looks again."""
        return bool(
            await self._run(
                connection,
                _PUT,
                **_place(seen),
                fence=seen.fence,
                seen=seen.position,
                position=to.position,
                event_id=to.event_id,
                epoch=to.epoch,
                failure=None if failure is None else msgspec.json.encode(failure).decode(),
                now=_now(),
            )
        )

    async def claim(self, connection: Connection, seen: Partition, owner: str, seconds: float) -> Partition | None:
        """Lease it for so long, if nobody else has meanwhile."""
        done = await self._run(connection, _CLAIM, **_place(seen), fence=seen.fence, owner=owner, seconds=seconds)
        return replace(seen, owner=owner, fence=int(done[0][0]), leased=True) if done else None

    async def renew(self, connection: Connection, place: Place, owner: str, seconds: float) -> None:
        """Go on holding it, if it still is held."""
        name, generation, first, _ = place
        await self._run(connection, _RENEW, owner=owner, name=name, generation=generation, first=first, seconds=seconds)

    async def release(self, connection: Connection, partition: Partition, owner: str) -> None:
        """Let others claim it."""
        await self._run(connection, _RELEASE, **_place(partition), owner=owner)

    async def release_all(self, connection: Connection, owner: str) -> None:
        """Let others claim everything. In no transaction: it holds one at a time, so it is in nobody's way."""
        for name, generation, first in await self._run(connection, _OWN, owner=owner):
            await self._run(connection, _RELEASE, owner=owner, name=name, generation=generation, first=first)

    async def split(self, connection: Connection, seen: Partition) -> bool:
        """Make it two halves, the second of which is free; whether it still was as seen. In a transaction."""
        middle = (seen.first + seen.last) // 2
        if not await self._run(connection, _EXTEND, **_place(seen), fence=seen.fence, beyond=seen.fence, last=middle):
            return False
        found = await self._run(connection, _ONE, **_place(seen), last=middle)
        now = _partition(found[0])
        await self._run(
            connection, _ADD, name=now.name, generation=now.generation, first=middle + 1, last=seen.last,
            position=now.position, event_id=now.event_id, epoch=now.epoch, store=now.store, now=_now(), fence=now.fence,
        )  # fmt: skip
        return True

    async def merge(self, connection: Connection, left: Partition, right: Partition) -> bool:
        """Make two neighbours one, if both still are as seen, at the same position. In a transaction."""
        if left.position != right.position or left.last + 1 != right.first:
            return False
        place, beyond = _place(left), max(left.fence, right.fence)
        if not await self._run(connection, _EXTEND, **place, fence=left.fence, beyond=beyond, last=right.last):
            return False
        now = await self._run(connection, _ONE, **place, last=right.last)
        if _partition(now[0]).position == left.position and await self._run(
            connection, _REMOVE, **_place(right), fence=right.fence, position=right.position
        ):
            return True
        await self._run(connection, _EXTEND, **place, fence=beyond + 1, beyond=beyond + 1, last=left.last)
        return False

    async def keep_out(self, connection: Connection) -> None:
        """Let nobody else change anything of the table until the transaction ends, as SQLite does anyway."""
        if self._dialect == "postgresql":
            await connection.execute(f"LOCK TABLE {self._table} IN SHARE ROW EXCLUSIVE MODE")

    async def seize(self, connection: Connection, name: str, generation: int, owner: str, seconds: float) -> None:
        """Lease all of a generation's for so long, whoever holds them: they are overtaken. Behind `lock`."""
        await self._run(connection, _SEIZE, name=name, generation=generation, owner=owner, seconds=seconds)

    async def fence(self, connection: Connection, name: str, generation: int) -> None:
        """From here on nobody who is at work on it can move it: it must be claimed, or looked at, anew."""
        await self.lock(connection, name)
        await self._run(connection, _FENCE, name=name, generation=generation)

    async def forget(self, connection: Connection, name: str, generation: int) -> None:
        """Strike a generation's off."""
        await self._run(connection, _FORGET, name=name, generation=generation)

    async def _run(self, connection: Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return await connection.execute(*self._statements[sql].bind(**values))


def _place(partition: Partition) -> dict[str, Any]:
    return {"name": partition.name, "generation": partition.generation, "first": partition.first}


def _partition(row: Sequence[Any]) -> Partition:
    columns = list(row)
    columns[-2:] = [None if row[-2] is None else msgspec.json.decode(row[-2], type=Failure), bool(row[-1])]
    return Partition(*columns)


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
