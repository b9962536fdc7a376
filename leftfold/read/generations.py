"""Generations: each building of a projection's rows from history, and which of them is live.

Views show the live one. A shadow is built beside it and takes its place in one transaction; the former one is kept for
going back. Blue and green, for read models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.read.compiling import compiled_text

Role = Literal["live", "shadow", "former"]
Mode = Literal["async", "inline"]

SUFFIX: dict[Role, str] = {"live": "", "shadow": "__next", "former": "__former"}
"""What is put behind a table's name."""

_COLUMNS = "name, generation, begun_at, version, role, fingerprint, tables, query, mode, paused, rebuild"
_ALL = f"SELECT {_COLUMNS} FROM {{table}} ORDER BY name, generation"
_FIND = f"SELECT {_COLUMNS} FROM {{table}} WHERE name = :name AND role = :role"
_NEWEST = "SELECT max(generation) FROM {table} WHERE name = :name"
_LOCK = "SELECT generation FROM {table} WHERE name = :name ORDER BY generation {for_update}"
_OF = f"SELECT {_COLUMNS} FROM {{table}} WHERE name = :name ORDER BY generation"
_BEGIN = """INSERT INTO {table} (name, generation, version, role, fingerprint, tables, query, mode, paused, begun_at)
    VALUES (:name, :generation, :version, :role, :fingerprint, :tables, :query, :mode, :paused, :now)
    ON CONFLICT DO NOTHING RETURNING generation"""
_ADOPT = """UPDATE {table} SET version = :version, fingerprint = :fingerprint, tables = :tables, query = :query,
    rebuild = NULL WHERE name = :name AND generation = :generation"""
_SWITCH = "UPDATE {table} SET mode = :mode WHERE name = :name AND generation = :generation"
_PAUSE = "UPDATE {table} SET paused = :paused WHERE name = :name AND generation = :generation"
_MARK = "UPDATE {table} SET rebuild = :why WHERE name = :name AND generation = :generation"
_TURN = "UPDATE {table} SET role = :role, tables = :tables WHERE name = :name AND generation = :generation"
_FORGET = "DELETE FROM {table} WHERE name = :name AND generation = :generation"


class Paused(msgspec.Struct, frozen=True):
    """Who has paused a projection, why and when."""

    who: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a projection's code says of its rows: which version, of which fingerprint, in which tables, about what."""

    name: str
    version: int
    fingerprint: str
    tables: tuple[str, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One building of a projection's rows. ``rebuild`` says why they are to be rebuilt, None if they are not.

    Numbers come again after the newest was struck off, and moments do not: both together say which one it is.
    """

    name: str
    number: int
    begun_at: str
    version: int
    role: Role
    fingerprint: str | None
    tables: tuple[str, ...]
    query: str
    mode: Mode
    paused: Paused | None
    rebuild: str | None

    def is_the_one(self, other: Generation | None) -> bool:
        """Whether they are the same building of rows, whatever has become of it meanwhile."""
        return other is not None and (self.name, self.number, self.begun_at) == (
            other.name,
            other.number,
            other.begun_at,
        )


class Generations:
    """The table of generations in a database."""

    def __init__(self, database: Database) -> None:
        words = {
            "table": database.table("projections"),
            "for_update": "" if database.dialect == "sqlite" else "FOR UPDATE",
        }
        self._statements = {
            sql: compiled_text(sql.format(**words), database.dialect)
            for sql in (_ALL, _FIND, _NEWEST, _LOCK, _OF, _BEGIN, _ADOPT, _SWITCH, _PAUSE, _MARK, _TURN, _FORGET)
        }

    async def all(self, connection: Connection) -> list[Generation]:
        """Every generation of every projection, by name and number."""
        return [_generation(row) for row in await self._run(connection, _ALL)]

    async def find(self, connection: Connection, name: str, role: Role = "live") -> Generation | None:
        """A projection's generation in that role."""
        rows = await self._run(connection, _FIND, name=name, role=role)
        return _generation(rows[0]) if rows else None

    async def lock(self, connection: Connection, name: str) -> dict[Role, Generation]:
        """A projection's generations by role, which nobody else turns, begins or strikes off before this transaction
        ends. Before any partition is locked."""
        while True:
            locked = [number for (number,) in await self._run(connection, _LOCK, name=name)]
            found = [_generation(row) for row in await self._run(connection, _OF, name=name)]
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
        [(newest,)] = await self._run(connection, _NEWEST, name=blueprint.name)
        rows = await self._run(
            connection,
            _BEGIN,
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
        await self._run(connection, _ADOPT, **_told(blueprint), generation=generation.number)

    async def switch(self, connection: Connection, generation: Generation, mode: Mode) -> None:
        """Have it maintained by projectors, or by appends."""
        await self._run(connection, _SWITCH, **_place(generation), mode=mode)

    async def pause(self, connection: Connection, generation: Generation, paused: Paused | None) -> None:
        """Pause it, or let it run again."""
        await self._run(connection, _PAUSE, **_place(generation), paused=_paused_text(paused))

    async def mark(self, connection: Connection, name: str, number: int, why: str) -> None:
        """Have its rows rebuilt by the next run."""
        await self._run(connection, _MARK, name=name, generation=number, why=why)

    async def turn(
        self,
        connection: Connection,
        generation: Generation,
        role: Role | Literal["turning"],
        tables: Sequence[str] | None = None,
    ) -> None:
        """Give it another role, which no other generation of the projection may have; ``turning`` makes way."""
        told = _names_text(generation.tables if tables is None else tables)
        await self._run(connection, _TURN, **_place(generation), role=role, tables=told)

    async def forget(self, connection: Connection, generation: Generation) -> None:
        """Strike it off."""
        await self._run(connection, _FORGET, **_place(generation))

    async def _run(self, connection: Connection, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return await connection.execute(*self._statements[sql].bind(**values))


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
