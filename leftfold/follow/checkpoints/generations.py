"""Generations: each building of a projection's rows from history, and which of them is live.

Views show the live one. A shadow is built beside it and takes its place in one transaction; the former one is kept for
going back. Blue and green, for read models.
"""

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
    """The table of generations in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("generations", database).run

    async def all(self, connection: Connection) -> list[Generation]:
        """Every generation of every projection, by name and number."""
        return [_generation(row) for row in await self._run(connection, "all")]

    async def find(self, connection: Connection, name: str, role: Role = "live") -> Generation | None:
        """A projection's generation in that role."""
        rows = await self._run(connection, "find", name=name, role=role)
        return _generation(rows[0]) if rows else None

    async def lock(self, connection: Connection, name: str) -> dict[Role, Generation]:
        """A projection's generations by role, which nobody else turns, begins or strikes off before this transaction
        ends. Before any partition is locked."""
        while True:
            locked = [number for (number,) in await self._run(connection, "lock", name=name)]
            found = [_generation(row) for row in await self._run(connection, "of", name=name)]
            if [one.number for one in found] == locked:  # none has come while this waited
                return {one.role: one for one in found}

    async def begin(
        self,
        connection: Connection,
        blueprint: Blueprint,
        role: Role = "live",
        *,
        mode: Mode = "async",
        paused: Paused | None = None,
    ) -> int | None:
        """A new generation's number; None if there is one in that role. Whoever else tries waits for this to end."""
        [(newest,)] = await self._run(connection, "newest", name=blueprint.name)
        rows = await self._run(
            connection,
            "begin",
            **_told(blueprint),
            generation=(newest or 0) + 1,
            role=role,
            mode=mode,
            paused=_paused_text(paused),
            now=_now(),
        )
        return int(rows[0][0]) if rows else None

    async def adopt(self, connection: Connection, generation: Generation, blueprint: Blueprint) -> None:
        """From now on its rows are those of this code, and need no rebuilding."""
        await self._run(connection, "adopt", **_told(blueprint), generation=generation.number)

    async def switch(self, connection: Connection, generation: Generation, mode: Mode) -> None:
        """Have it maintained by projectors, or by appends."""
        await self._run(connection, "switch", **_place(generation), mode=mode)

    async def pause(self, connection: Connection, generation: Generation, paused: Paused | None) -> None:
        """Pause it, or let it run again."""
        await self._run(connection, "pause", **_place(generation), paused=_paused_text(paused))

    async def mark(self, connection: Connection, name: str, number: int, why: str) -> None:
        """Have its rows rebuilt by the next run."""
        await self._run(connection, "mark", name=name, generation=number, why=why)

    async def turn(
        self,
        connection: Connection,
        generation: Generation,
        role: Role | Literal["turning"],
        tables: Sequence[str] | None = None,
    ) -> None:
        """Give it another role, which no other generation of the projection may have; ``turning`` makes way."""
        told = _names_text(generation.tables if tables is None else tables)
        await self._run(connection, "turn", **_place(generation), role=role, tables=told)

    async def forget(self, connection: Connection, generation: Generation) -> None:
        """Strike it off."""
        await self._run(connection, "forget", **_place(generation))


def _place(generation: Generation) -> dict[str, Any]:
    return {"name": generation.name, "generation": generation.number}


def _names_text(names: Sequence[str]) -> str:
    return msgspec.json.encode(names).decode()


def _paused_text(paused: Paused | None) -> str | None:
    return None if paused is None else msgspec.json.encode(paused).decode()


def _told(blueprint: Blueprint) -> dict[str, Any]:
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
