"""Which generation of a projection is live, and how that passes from one to another: each time in one transaction.

Locks are taken in one order, everywhere: generations, partitions, tables. Behind the partitions' locks nobody who
applies events is inside a transaction, and their fences have risen before anybody gets in again; so what they have
folded for tables that have been turned is never written. Readers wait for the turning, and then see the other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidArgument, NotSupported, ProcessorOutdated
from leftfold.follow.checkpoints.audit import AuditLog
from leftfold.follow.checkpoints.generation import Blueprint, Generation, Role
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.log.contract import Log
from leftfold.read.apply.removal import GenerationRemoval
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.rebuild.patience import Busy, impatiently, insistently
from leftfold.read.rebuild.user_indexes import UserIndexes
from leftfold.read.tables.catalog import lock_tables, rename_table, table_exists
from leftfold.read.tables.table import ModelTable

REBUILD = "rebuild:"
"""What the owner of a partition begins with when it is a rebuild."""

_Role = Role | Literal["turning"]
_SUFFIX: dict[str, str] = {"turning": "__turning"} | dict(SUFFIX.items())


@dataclass(frozen=True, slots=True)
class Held:
    """Partitions of the live and of the shadow generation while both stand still."""

    live: Generation | None
    live_parts: Sequence[Partition]
    shadow_parts: Sequence[Partition]

    @property
    def target(self) -> int:
        """Where the shadow must be before it may take over: no row may go back in time."""
        return max((one.position for one in self.live_parts), default=0)


class ShadowGone(InvalidArgument):
    """The rows that were being built have been abandoned, or are live by now."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the rows of projection {name!r} that were being built are not there any more: somebody has abandoned "
            "them (store.processors.audit() tells who)"
        )


class Succession:
    """The generations of the projections in a database. Only `begin` needs their code."""

    def __init__(self, log: Log, database: Database) -> None:
        self._database = database
        self._generations = Generations(database)
        self._partitions = Partitions(database, outside=database is not log.database)
        self._striking = GenerationRemoval(database)
        self._attached = UserIndexes(database)
        self._acts = AuditLog(database)

    async def begin(
        self, blueprint: Blueprint, tables: Sequence[ModelTable], parts: int, who: str | None, why: str
    ) -> Generation:
        """The shadow of this code, begun if it is not there; `ProcessorOutdated` if it must not be, or another is."""
        name = blueprint.name
        while True:
            async with self._database.transaction() as connection:
                roles = await self._generations.lock(connection, name)
                live, shadow = roles.get("live"), roles.get("shadow")
                if live is not None:
                    _check_may_follow(live, blueprint)
                    await self._attached.check(connection, live.tables)
                if shadow is not None:
                    _check_is_the_same(shadow, blueprint)
                    return shadow
                await self._check_free(connection, live, blueprint.tables)
                await self._check_free(connection, None, [one + SUFFIX["shadow"] for one in blueprint.tables])
                number = await self._generations.begin(connection, blueprint, "shadow")
                if number is None:  # somebody else has begun, who had nothing to lock
                    continue
                await self._partitions.begin(connection, name, number, parts=parts)
                for table in tables:
                    await table.create(connection)
                details = {"version": blueprint.version, "generation": number}
                await self._acts.record(connection, name, "rebuild", who, why, details)
                found = await self._generations.find(connection, name, "shadow")
            assert found is not None, "it is this transaction's own"
            return found

    async def hold(self, shadow: Generation, owner: str, lease_seconds: float, patience: float) -> Held:
        """Let the live and the shadow generation stand still, leased by ``owner`` for so long.

        `Busy`: another rebuild holds them. `ShadowGone`.
        """
        name = shadow.name
        async with impatiently(self._database, patience) as connection:
            roles = await self._generations.lock(connection, name)
            _check_is_there(shadow, roles.get("shadow"))
            live = roles.get("live")
            await self._partitions.lock(connection, name)
            if live is not None:
                for one in await self._partitions.load(connection, name, live.number):
                    if one.leased and one.owner != owner and (one.owner or "").startswith(REBUILD):
                        raise Busy
                await self._partitions.seize(connection, name, live.number, owner, lease_seconds)
            await self._partitions.seize(connection, name, shadow.number, owner, lease_seconds)
            old = [] if live is None else await self._partitions.load(connection, name, live.number)
            return Held(live, old, await self._partitions.load(connection, name, shadow.number))

    async def index(self, shadow: Generation) -> None:
        """The indexes that people have made on the live tables, for the new ones, too."""
        async with self._database.connection() as connection:
            live = await self._generations.find(connection, shadow.name)
            for table in sorted(set(live.tables) & set(shadow.tables)) if live is not None else ():
                await self._attached.index(connection, table, table + SUFFIX["shadow"])

    async def release(self, owner: str) -> None:
        """Let others go on with everything that ``owner`` holds."""
        async with self._database.connection() as connection:
            await self._partitions.release_all(connection, owner)

    async def swap(
        self, shadow: Generation, owner: str, patience: float, who: str | None, why: str, *, keeps_up: bool = True
    ) -> Generation | None:
        """Let the shadow take over; the live generation becomes the former one, and the one that was is dropped.

        The new live one; None if it is not where it must be, or ``owner`` does not hold both any more. With
        ``keeps_up`` it must be where the live one stands. `Busy`, `ShadowGone`.
        """
        name = shadow.name
        async with impatiently(self._database, patience) as connection:
            roles = await self._generations.lock(connection, name)
            live, former = roles.get("live"), roles.get("former")
            _check_is_there(shadow, roles.get("shadow"))
            await self._partitions.lock(connection, name)
            old = [] if live is None else await self._partitions.load(connection, name, live.number)
            new = await self._partitions.load(connection, name, shadow.number)
            position = min(one.position for one in new)
            if any(one.owner != owner for one in (*old, *new)):
                return None
            if keeps_up and position < Held(live, old, new).target:
                return None
            await lock_tables(connection, self._database, _tables(shadow))
            await self._check_free(connection, live, shadow.tables)
            if former is not None:
                await self._striking.strike_off(connection, former)
            details = {"version": shadow.version, "generation": shadow.number, "position": position}
            if live is not None:
                _check_may_follow(live, shadow)
                await self._attached.check(connection, live.tables)
                for table in set(live.tables) & set(shadow.tables):
                    await self._attached.grant(connection, table, table + SUFFIX["shadow"])
                details |= {"before": live.version, "former": live.number}
                await self._turn(connection, live, "former", shadow.tables)
                await self._generations.pause(connection, shadow, live.paused)
            await self._turn(connection, shadow, "live")
            await self._acts.record(connection, name, "swap", who, why, details)
            return await self._generations.find(connection, name)

    async def roll_back(self, name: str, who: str | None, why: str) -> Generation:
        """Let the former generation be live again, and the live one be the former; the new live one."""

        async def do(connection: Connection) -> Generation:
            roles = await self._generations.lock(connection, name)
            former, live = roles.get("former"), roles.get("live")
            if former is None or live is None:
                raise InvalidArgument(
                    f"projection {name!r} has no former rows to go back to: a rebuild keeps them when it swaps, until "
                    "they are dropped"
                )
            _check_is_async(live)
            await self._partitions.lock(connection, name)
            await self._attached.check(connection, live.tables)
            await lock_tables(connection, self._database, [*_tables(former), *_tables(live)])
            await self._turn(connection, former, "turning")
            await self._turn(connection, live, "former")
            await self._turn(connection, former, "live", come_from="turning")
            await self._generations.pause(connection, former, live.paused)
            details = {"version": former.version, "generation": former.number, "before": live.version}
            await self._acts.record(connection, name, "rollback", who, why, details)
            return await self._generations.find(connection, name) or former

        return await insistently(self._database, await self._all_tables(name), f"the rollback of {name!r}", do)

    async def drop(self, name: str, role: Role, who: str | None, why: str) -> Generation:
        """Strike the former generation, or the shadow, off; which it was."""
        act, what = ("drop_former", "former rows") if role == "former" else ("abandon", "rows that are being built")

        async def do(connection: Connection) -> Generation:
            found = (await self._generations.lock(connection, name)).get(role)
            if found is None:
                raise InvalidArgument(f"projection {name!r} has no {what}")
            await self._partitions.lock(connection, name)
            await self._striking.strike_off(connection, found)
            await self._acts.record(connection, name, act, who, why, {"version": found.version})
            return found

        return await insistently(self._database, await self._all_tables(name), f"dropping the {what} of {name!r}", do)

    async def _turn(
        self,
        connection: Connection,
        generation: Generation,
        role: _Role,
        tables: Sequence[str] = (),
        come_from: Literal["turning"] | None = None,
    ) -> None:
        """Tables, role and fences. ``tables`` are for a generation from before their names were kept."""
        before = _SUFFIX[come_from or generation.role]
        names = generation.tables or tuple(tables)
        for name in names:
            if await table_exists(connection, self._database, name + before):
                await rename_table(connection, self._database, name + before, name + _SUFFIX[role])
        await self._generations.turn(connection, generation, role, names)
        await self._partitions.fence(connection, generation.name, generation.number)

    async def _check_free(self, connection: Connection, live: Generation | None, tables: Sequence[str]) -> None:
        """`ProcessorOutdated` if somebody else's table has the name of one that is to be live."""
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
        return [table for one in found if one.name == name for table in _tables(one)]


def _tables(generation: Generation) -> list[str]:
    return [name + SUFFIX[generation.role] for name in generation.tables]


def _check_is_there(shadow: Generation, found: Generation | None) -> None:
    if not shadow.is_the_one(found):
        raise ShadowGone(shadow.name)


def _check_is_the_same(shadow: Generation, code: Blueprint) -> None:
    """Of the same version and code, so that whoever asks may go on building it."""
    if shadow.version != code.version:
        raise ProcessorOutdated(
            f"rows of version {shadow.version} of projection {code.name!r} are being built already, and this is "
            f"version {code.version}: let that end, or abandon them, projector.abandon({code.name!r})"
        )
    if shadow.rebuild is not None:
        raise ProcessorOutdated(
            f"the rows of projection {code.name!r} that are being built do not follow from the log any more "
            f"({shadow.rebuild}): abandon them, projector.abandon({code.name!r}), and rebuild again"
        )
    if shadow.fingerprint != code.fingerprint:
        raise ProcessorOutdated(
            f"the code or the fields of projection {code.name!r} have changed since its rows of version {code.version} "
            f"were begun to be built: abandon them, projector.abandon({code.name!r}), and rebuild again"
        )


def _check_may_follow(live: Generation, code: Blueprint | Generation) -> None:
    """`ProcessorOutdated` if rows of that code must not take the place of the live ones."""
    _check_is_async(live)
    if live.version > code.version:
        raise ProcessorOutdated(
            f"the live rows of projection {live.name!r} were made by version {live.version}, and this is version "
            f"{code.version}, older code: to go back to rows that are still kept, projector.rollback({live.name!r}); "
            f"to build them anew, give this code a version from {live.version + 1}"
        )
    if live.version == code.version and live.fingerprint not in (None, code.fingerprint):
        raise ProcessorOutdated(
            f"the code or the fields of projection {live.name!r} have changed, and its version ({live.version}) has "
            f"not: give it version={live.version + 1}, so that workers of either know which rows are theirs"
        )


def _check_is_async(live: Generation) -> None:
    if live.mode == "inline":
        raise NotSupported(
            f"projection {live.name!r} is maintained inside appends, which other tables cannot take over from: make it "
            f"asynchronous first, projector.switch({live.name!r}, to='background'), and inline again afterwards"
        )
