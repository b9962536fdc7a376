"""The table of generations: each run of a processor over the log, and the role of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.follow.checkpoints.generation import Blueprint, Generation, Mode, Paused, Role
from leftfold.follow.checkpoints.statements import Statements


class Generations:
    """The generations of all processors in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("generations", database).run

    async def all(self, connection: Connection) -> list[Generation]:
        """Every generation of every processor, by name and number."""
        return [_generation(row) for row in await self._run(connection, "all")]

    async def find(self, connection: Connection, name: str, role: Role = "live") -> Generation | None:
        """A processor's generation in that role."""
        rows = await self._run(connection, "find", name=name, role=role)
        return _generation(rows[0]) if rows else None

    async def lock(self, connection: Connection, name: str) -> dict[Role, Generation]:
        """A processor's generations by role. No other session begins, turns or drops one until this transaction ends.

        Lock generations before partitions and tables, as every transaction does.
        """
        # A row that another transaction inserts while this one waits is not locked by the statement that waited. So
        # look which generations there are now, and lock again until these are the locked ones.
        while True:
            locked = [number for (number,) in await self._run(connection, "lock", name=name)]
            found = [_generation(row) for row in await self._run(connection, "of", name=name)]
            if [generation.number for generation in found] == locked:
                return {generation.role: generation for generation in found}

    async def begin(
        self,
        connection: Connection,
        blueprint: Blueprint,
        role: Role = "live",
        *,
        mode: Mode = "async",
        paused: Paused | None = None,
    ) -> int | None:
        """A new generation's number; None if there is one in that role. Other sessions that begin one wait."""
        [(newest,)] = await self._run(connection, "newest", name=blueprint.name)
        rows = await self._run(
            connection,
            "begin",
            **_values(blueprint),
            generation=(newest or 0) + 1,
            role=role,
            mode=mode,
            paused=_paused_text(paused),
            now=_now(),
        )
        return int(rows[0][0]) if rows else None

    async def adopt(self, connection: Connection, generation: Generation, blueprint: Blueprint) -> None:
        """Record that it is what this code would have made, and need not begin anew."""
        await self._run(connection, "adopt", **_values(blueprint), generation=generation.number)

    async def switch(self, connection: Connection, generation: Generation, mode: Mode) -> None:
        """Have workers run it, or appends."""
        await self._run(connection, "switch", **_place(generation), mode=mode)

    async def pause(self, connection: Connection, generation: Generation, paused: Paused | None) -> None:
        """Pause it, or let it run again."""
        await self._run(connection, "pause", **_place(generation), paused=_paused_text(paused))

    async def mark(self, connection: Connection, name: str, number: int, why: str) -> None:
        """Have the next run begin it anew."""
        await self._run(connection, "mark", name=name, generation=number, why=why)

    async def turn(
        self,
        connection: Connection,
        generation: Generation,
        role: Role | Literal["turning"],
        tables: Sequence[str] | None = None,
    ) -> None:
        """Give it another role. Two generations never have the same one; ``turning`` is for making way."""
        names = _names_text(generation.tables if tables is None else tables)
        await self._run(connection, "turn", **_place(generation), role=role, tables=names)

    async def forget(self, connection: Connection, generation: Generation) -> None:
        """Drop it. Its partitions and parked events are dropped elsewhere."""
        await self._run(connection, "forget", **_place(generation))


def _place(generation: Generation) -> dict[str, Any]:
    return {"name": generation.name, "generation": generation.number}


def _names_text(names: Sequence[str]) -> str:
    return msgspec.json.encode(names).decode()


def _paused_text(paused: Paused | None) -> str | None:
    return None if paused is None else msgspec.json.encode(paused).decode()


def _values(blueprint: Blueprint) -> dict[str, Any]:
    return {
        "name": blueprint.name,
        "version": blueprint.version,
        "fingerprint": blueprint.fingerprint,
        "tables": _names_text(blueprint.tables),
        "query": blueprint.query,
    }


def _generation(row: Sequence[Any]) -> Generation:
    name, number, begun_at, version, role, fingerprint, tables, query, mode, paused, rebuild = row
    return Generation(
        name,
        number,
        begun_at,
        version,
        role,
        fingerprint,
        msgspec.json.decode(tables, type=tuple[str, ...]),
        query,
        mode,
        None if paused is None else msgspec.json.decode(paused, type=Paused),
        rebuild,
    )


def _now() -> str:
    return moment.to_text(datetime.now(UTC))
