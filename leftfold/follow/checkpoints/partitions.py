"""The table of partitions: how checkpoints move, and which worker has leased which partition.

A checkpoint moves by compare-and-set, as the first statement of the transaction that writes the page. The row lock
keeps every other worker waiting until the commit; then its compare-and-set finds another position, and it is overtaken.
So page and checkpoint are right even if two workers believe that they hold the lease. A lease only saves work.

The fence of a partition rises with each claim, split and merge (Kleppmann, 2016), so that a worker that slept through
one is overtaken, too. No fence comes again for a bucket. A merged partition is beyond both of its halves. A partition
that begins takes the clock's microseconds, and so is beyond all that were dropped, whose generation may have had the
same number.
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
from leftfold.follow.checkpoints.partition import Failure, Partition, Place
from leftfold.follow.checkpoints.statements import Statements
from leftfold.log.buckets import BUCKETS
from leftfold.log.subscription.cursor import Cursor


class Partitions:
    """The partitions of all processors in a database. ``outside``: the log is in another one."""

    def __init__(self, database: Database, *, outside: bool = False) -> None:
        self._outside = outside
        self._dialect = database.dialect
        self._table = database.table("partitions")
        self._run = Statements("partitions", database).run

    async def all(self, connection: Connection) -> list[Partition]:
        """Every partition of every generation."""
        return [_partition(row) for row in await self._run(connection, "all_in_order")]

    async def load(self, connection: Connection, name: str, generation: int) -> list[Partition]:
        """A generation's partitions, in order."""
        return [_partition(row) for row in await self._run(connection, "load", name=name, generation=generation)]

    async def reload(self, connection: Connection, partition: Partition) -> Partition | None:
        """The partition as it is now; None if it has been split, merged or dropped."""
        rows = await self._run(connection, "find", **_place(partition), last=partition.last)
        return _partition(rows[0]) if rows else None

    async def lock(self, connection: Connection, name: str) -> None:
        """Lock all partitions of a processor until the transaction ends, in the one order of locks."""
        # A fixpoint. Say this waits for a worker that splits 0–63 into 0–31 and 32–63. The statement that waited locks
        # 0–31 and has not seen 32–63, which another worker could claim and move. So lock again, until a round finds
        # nothing that the round before has not locked.
        locked, found = None, await self._run(connection, "lock", name=name)
        while found != locked:
            locked, found = found, await self._run(connection, "lock", name=name)

    async def begin(self, connection: Connection, name: str, generation: int, *, parts: int = 1) -> None:
        """Add equal partitions at position 0; ``parts`` is a power of two."""
        width = BUCKETS // parts
        for first in range(0, BUCKETS, width):
            await self._run(
                connection, "add", name=name, generation=generation, first=first, last=first + width - 1, position=0,
                event_id=None, epoch=1, store=None, now=_now(), fence=time.time_ns() // 1_000,
            )  # fmt: skip

    async def move(
        self,
        connection: Connection,
        seen: Partition,
        to: Cursor,
        *,
        applied: int = 0,
        rate: float | None = None,
        failure: Failure | None = None,
    ) -> Partition | None:
        """Move the checkpoint if the partition is as it was seen; None if another session has moved it or its fence."""
        assert to.epoch is not None, "the cursor has seen the horizon"
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
            "move",
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
        """Put the checkpoint there, as a person has decided, if it is where it was seen. The lease stays."""
        return bool(
            await self._run(
                connection,
                "put",
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
        """Lease it for so many seconds; None if another owner has been faster."""
        done = await self._run(connection, "claim", **_place(seen), fence=seen.fence, owner=owner, seconds=seconds)
        return replace(seen, owner=owner, fence=int(done[0][0]), leased=True) if done else None

    async def renew(self, connection: Connection, place: Place, owner: str, seconds: float) -> None:
        """Begin the lease anew, if it still is the owner's."""
        name, generation, first, _ = place
        await self._run(
            connection, "renew", owner=owner, name=name, generation=generation, first=first, seconds=seconds
        )

    async def release(self, connection: Connection, partition: Partition, owner: str) -> None:
        """Let others claim it."""
        await self._run(connection, "release", **_place(partition), owner=owner)

    async def release_all(self, connection: Connection, owner: str) -> None:
        """Let others claim all that the owner holds. In no transaction, so that it never holds two locks at a time."""
        for name, generation, first in await self._run(connection, "own", owner=owner):
            await self._run(connection, "release", owner=owner, name=name, generation=generation, first=first)

    async def split(self, connection: Connection, seen: Partition) -> bool:
        """Split it into halves, the second of them free; False if it is not as it was seen. In a transaction."""
        middle = (seen.first + seen.last) // 2
        if not await self._run(connection, "extend", **_place(seen), fence=seen.fence, beyond=seen.fence, last=middle):
            return False
        found = await self._run(connection, "find", **_place(seen), last=middle)
        now = _partition(found[0])
        await self._run(
            connection, "add", name=now.name, generation=now.generation, first=middle + 1, last=seen.last,
            position=now.position, event_id=now.event_id, epoch=now.epoch, store=now.store, now=_now(), fence=now.fence,
        )  # fmt: skip
        return True

    async def merge(self, connection: Connection, left: Partition, right: Partition) -> bool:
        """Merge two neighbours at the same position; False if one of them is not as it was seen. In a transaction."""
        if left.position != right.position or left.last + 1 != right.first:
            return False
        # Widen the left half first, then remove the right one: locks are taken from left to right, as everywhere. Only
        # the locked rows tell for sure whether both halves stand at one position. Say another worker has moved the
        # right half from 40 to 50: the merged partition at 40 would apply its events up to 50 twice. Then narrow the
        # left half again. Its fence stays raised, which only makes its worker look again.
        place, beyond = _place(left), max(left.fence, right.fence)
        if not await self._run(connection, "extend", **place, fence=left.fence, beyond=beyond, last=right.last):
            return False
        now = await self._run(connection, "find", **place, last=right.last)
        if _partition(now[0]).position == left.position and await self._run(
            connection, "remove", **_place(right), fence=right.fence, position=right.position
        ):
            return True
        await self._run(connection, "extend", **place, fence=beyond + 1, beyond=beyond + 1, last=left.last)
        return False

    async def keep_out(self, connection: Connection) -> None:
        """Keep all other writers out of the table until the transaction ends, as SQLite does anyway."""
        if self._dialect == "postgresql":
            await connection.execute(f"LOCK TABLE {self._table} IN SHARE ROW EXCLUSIVE MODE")

    async def seize(self, connection: Connection, name: str, generation: int, owner: str, seconds: float) -> None:
        """Lease all partitions of a generation. Workers that held them are overtaken. Behind `lock`."""
        await self._run(connection, "seize", name=name, generation=generation, owner=owner, seconds=seconds)

    async def fence(self, connection: Connection, name: str, generation: int) -> None:
        """Raise all fences of a generation and end its leases: its workers are overtaken, and must claim anew."""
        await self.lock(connection, name)
        await self._run(connection, "fence", name=name, generation=generation)

    async def forget(self, connection: Connection, name: str, generation: int) -> None:
        """Drop all partitions of a generation."""
        await self._run(connection, "forget", name=name, generation=generation)


def _place(partition: Partition) -> dict[str, Any]:
    return {"name": partition.name, "generation": partition.generation, "first": partition.first}


def _partition(row: Sequence[Any]) -> Partition:
    columns = list(row)
    columns[-2:] = [None if row[-2] is None else msgspec.json.decode(row[-2], type=Failure), bool(row[-1])]
    return Partition(*columns)


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
