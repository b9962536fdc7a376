"""Which generation of a projection is live, and how that passes from one to another: each time in one transaction.

The danger: a worker folds rows for table A, the swap renames B to A, and the worker writes into B. Three things
together prevent that. Every transaction takes its locks in one order: generations, partitions, tables. A worker's first
statement locks its partition's row, so no worker is between its checkpoint and its tables while the swap has all these
locks. And the swap raises every fence before it commits, so the worker's compare-and-set then finds nothing to move.
Readers wait for the renaming, and then see the other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidState, ProcessorOutdated
from leftfold.follow.checkpoints.audit import AuditLog
from leftfold.follow.checkpoints.generation import Blueprint, Generation, Role
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.run.leases import Leases
from leftfold.log.contract import Log
from leftfold.read.apply.removal import GenerationRemoval
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.rebuild.compatibility import check_is_async, check_is_same_code, check_may_follow
from leftfold.read.rebuild.lock_timeout import Busy, retry_lock_timeout, with_lock_timeout
from leftfold.read.rebuild.user_indexes import UserIndexes
from leftfold.read.tables.catalog import lock_tables, rename_table, table_exists
from leftfold.read.tables.table import ModelTable

REBUILD = "rebuild:"
"""How the owner of a partition begins if it is a rebuild."""

_Role = Role | Literal["turning"]
_SUFFIX: dict[str, str] = {"turning": "__turning"} | dict(SUFFIX.items())


@dataclass(frozen=True, slots=True)
class Standstill:
    """The live and the shadow generation while a rebuild has leased every partition of both."""

    live: Generation | None
    live_partitions: Sequence[Partition]
    shadow_partitions: Sequence[Partition]

    @property
    def target(self) -> int:
        """Where the shadow must be before it may take over: no row may go back in time."""
        return max((partition.position for partition in self.live_partitions), default=0)


class ShadowGone(InvalidState):
    """The rows that were being built have been abandoned, or are live by now."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the rows of projection {name!r} that were being built are not there any more: they were abandoned "
            "(store.processors.audit() shows who did it)"
        )


class Succession:
    """The generations of the projections in a database. Only `begin` needs their code."""

    def __init__(self, log: Log, database: Database) -> None:
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database, outside=database is not log.database)
        self._removal = GenerationRemoval(database)
        self._user_indexes = UserIndexes(database)
        self._audit = AuditLog(database)

    async def begin(
        self, blueprint: Blueprint, tables: Sequence[ModelTable], parts: int, who: str | None, why: str
    ) -> Generation:
        """The shadow of this code, begun if there is none. `ProcessorOutdated`: it must not be, or another is there."""
        name = blueprint.name
        while True:
            async with self._database.transaction() as connection:
                roles = await self._generations.lock(connection, name)
                live, shadow = roles.get("live"), roles.get("shadow")
                if live is not None:
                    check_may_follow(live, blueprint)
                    await self._user_indexes.check(connection, live.tables)
                if shadow is not None:
                    check_is_same_code(shadow, blueprint)
                    return shadow
                await self._check_free(connection, live, blueprint.tables)
                await self._check_free(connection, None, [table + SUFFIX["shadow"] for table in blueprint.tables])
                number = await self._generations.begin(connection, blueprint, "shadow")
                if number is None:  # another session has begun one: there was nothing yet for it to lock
                    continue
                await self._partitions.begin(connection, name, number, parts=parts)
                for table in tables:
                    await table.create(connection)
                details = {"version": blueprint.version, "generation": number}
                await self._audit.record(connection, name, "rebuild", who, why, details)
                found = await self._generations.find(connection, name, "shadow")
            assert found is not None, "it is this transaction's own"
            return found

    async def hold(self, shadow: Generation, leases: Leases, timeout: float) -> Standstill:
        """Lease every partition of the live and of the shadow generation, whatever worker held it.

        `Busy`: another rebuild holds them. `ShadowGone`.
        """
        name = shadow.name
        async with with_lock_timeout(self._database, timeout) as connection:
            roles = await self._generations.lock(connection, name)
            _check_is_there(shadow, roles.get("shadow"))
            live = roles.get("live")
            await self._partitions.lock(connection, name)
            if live is not None:
                # A worker may lose its lease: it is overtaken, and claims anew after the swap. Another rebuild may not:
                # two rebuilds that seize from each other in turn would never come to the swap.
                for partition in await self._partitions.load(connection, name, live.number):
                    if partition.leased and partition.owner != leases.owner and _is_rebuild(partition.owner):
                        raise Busy
                await self._partitions.seize(connection, name, live.number, leases.owner, leases.seconds)
            await self._partitions.seize(connection, name, shadow.number, leases.owner, leases.seconds)
            old = [] if live is None else await self._partitions.load(connection, name, live.number)
            new = await self._partitions.load(connection, name, shadow.number)
        leases.places.update(partition.place for partition in (*old, *new))
        return Standstill(live, old, new)

    async def index(self, shadow: Generation) -> None:
        """Make the indexes that users have made on the live tables on the new ones, too."""
        async with self._database.connection() as connection:
            live = await self._generations.find(connection, shadow.name)
            for table in sorted(set(live.tables) & set(shadow.tables)) if live is not None else ():
                await self._user_indexes.index(connection, table, table + SUFFIX["shadow"])

    async def swap(
        self, shadow: Generation, owner: str, timeout: float, who: str | None, why: str, *, keeps_up: bool = True
    ) -> Generation | None:
        """Let the shadow take over; the live generation becomes the former one, and the one that was is dropped.

        The new live one; None if it is not where it must be, or ``owner`` does not hold both any more. With
        ``keeps_up`` it must be where the live one stands. `Busy`, `ShadowGone`.
        """
        name = shadow.name
        async with with_lock_timeout(self._database, timeout) as connection:
            roles = await self._generations.lock(connection, name)
            live, former = roles.get("live"), roles.get("former")
            _check_is_there(shadow, roles.get("shadow"))
            await self._partitions.lock(connection, name)
            old = [] if live is None else await self._partitions.load(connection, name, live.number)
            new = await self._partitions.load(connection, name, shadow.number)
            position = min(partition.position for partition in new)
            # The leases may have run out while the rebuild slept, and a worker may have gone on with the live rows. A
            # shadow at 50 that replaced rows at 57 would show views an earlier moment.
            if any(partition.owner != owner for partition in (*old, *new)):
                return None
            if keeps_up and position < Standstill(live, old, new).target:
                return None
            await lock_tables(connection, self._database, _tables(shadow))
            await self._check_free(connection, live, shadow.tables)
            if former is not None:
                await self._removal.remove(connection, former)
            details = {"version": shadow.version, "generation": shadow.number, "position": position}
            if live is not None:
                await self._make_former(connection, live, shadow)
                details |= {"before": live.version, "former": live.number}
            await self._turn(connection, shadow, "live")
            await self._audit.record(connection, name, "swap", who, why, details)
            return await self._generations.find(connection, name)

    async def _make_former(self, connection: Connection, live: Generation, shadow: Generation) -> None:
        """The live generation makes way, and the shadow gets its grants and its pause."""
        check_may_follow(live, shadow)
        await self._user_indexes.check(connection, live.tables)
        for table in set(live.tables) & set(shadow.tables):
            await self._user_indexes.grant(connection, table, table + SUFFIX["shadow"])
        await self._turn(connection, live, "former", shadow.tables)
        await self._generations.pause(connection, shadow, live.paused)

    async def roll_back(self, name: str, who: str | None, why: str) -> Generation:
        """Let the former generation be live again, and the live one be the former; the new live one."""

        async def do(connection: Connection) -> Generation:
            roles = await self._generations.lock(connection, name)
            former, live = roles.get("former"), roles.get("live")
            if former is None or live is None:
                raise InvalidState(
                    f"projection {name!r} has no former rows to go back to: a rebuild keeps them when it swaps, until "
                    "they are dropped"
                )
            check_is_async(live)
            await self._partitions.lock(connection, name)
            await self._user_indexes.check(connection, live.tables)
            await lock_tables(connection, self._database, [*_tables(former), *_tables(live)])
            await self._turn(connection, former, "turning")
            await self._turn(connection, live, "former")
            await self._turn(connection, former, "live", come_from="turning")
            await self._generations.pause(connection, former, live.paused)
            details = {"version": former.version, "generation": former.number, "before": live.version}
            await self._audit.record(connection, name, "rollback", who, why, details)
            return await self._generations.find(connection, name) or former

        return await retry_lock_timeout(self._database, await self._all_tables(name), f"the rollback of {name!r}", do)

    async def drop(self, name: str, role: Role, who: str | None, why: str) -> Generation:
        """Drop the former generation, or the shadow; which it was."""
        act, what = ("drop_former", "former rows") if role == "former" else ("abandon", "rows that are being built")

        async def do(connection: Connection) -> Generation:
            found = (await self._generations.lock(connection, name)).get(role)
            if found is None:
                raise InvalidState(f"projection {name!r} has no {what}")
            await self._partitions.lock(connection, name)
            await self._removal.remove(connection, found)
            await self._audit.record(connection, name, act, who, why, {"version": found.version})
            return found

        return await retry_lock_timeout(
            self._database, await self._all_tables(name), f"dropping the {what} of {name!r}", do
        )

    async def _turn(
        self,
        connection: Connection,
        generation: Generation,
        role: _Role,
        tables: Sequence[str] = (),
        come_from: Literal["turning"] | None = None,
    ) -> None:
        """Give a generation another role: rename its tables, write the role, and raise the fences of its partitions.

        ``come_from`` is the role that it has by now, if this transaction has turned it before. ``tables`` are for a
        generation that was begun before table names were kept.
        """
        # The order of turns matters, for two generations never have one role. A rollback turns former → turning,
        # live → former, turning → live: directly, the former rows would meet the live table's name.
        before = _SUFFIX[come_from or generation.role]
        names = generation.tables or tuple(tables)
        for name in names:
            if await table_exists(connection, self._database, name + before):
                await rename_table(connection, self._database, name + before, name + _SUFFIX[role])
        await self._generations.turn(connection, generation, role, names)
        await self._partitions.fence(connection, generation.name, generation.number)

    async def _check_free(self, connection: Connection, live: Generation | None, tables: Sequence[str]) -> None:
        """`ProcessorOutdated` if a table that is not the projection's has the name of one that is to be live."""
        own = () if live is None else live.tables or tables
        for name in sorted(set(tables) - set(own)):
            if await table_exists(connection, self._database, name):
                raise ProcessorOutdated(
                    f"there is a table {name} already that no projection has made: drop it, or give the read model "
                    "another with table=…"
                )

    async def _all_tables(self, name: str) -> list[str]:
        async with self._database.connection() as connection:
            found = await self._generations.all(connection)
        return [table for generation in found if generation.name == name for table in _tables(generation)]


def _tables(generation: Generation) -> list[str]:
    return [name + SUFFIX[generation.role] for name in generation.tables]


def _is_rebuild(owner: str | None) -> bool:
    return owner is not None and owner.startswith(REBUILD)


def _check_is_there(shadow: Generation, found: Generation | None) -> None:
    if not shadow.is_same(found):
        raise ShadowGone(shadow.name)
