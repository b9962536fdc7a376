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
import sqlalchemy as sa

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.read.compiling import Statement

Role = Literal["live", "shadow", "former"]
Mode = Literal["async", "inline"]

SUFFIX: dict[Role, str] = {"live": "", "shadow": "__next", "former": "__former"}
"""What is put behind a table's name."""

_COLUMNS = "name, generation, version, role, fingerprint, tables, query, mode, paused, rebuild"
_ALL = f"SELECT {_COLUMNS} FROM {{table}} ORDER BY name, generation"
_FIND = f"SELECT {_COLUMNS} FROM {{table}} WHERE name = :name AND role = :role"
_NEWEST = "SELECT max(generation) FROM {table} WHERE name = :name"
_BEGIN = """INSERT INTO {table} (name, generation, version, role, fingerprint, tables, query, begun_at)
    VALUES (:name, :generation, :version, :role, :fingerprint, :tables, :query, :now)
    ON CONFLICT DO NOTHING RETURNING generation"""
_ADOPT = """UPDATE {table} SET version = :version, fingerprint = :fingerprint, tables = :tables, query = :query,
    rebuild = NULL WHERE name = :name AND generation = :generation"""
_SWITCH = "UPDATE {table} SET mode = :mode WHERE name = :name AND generation = :generation"
_PAUSE = "UPDATE {table} SET paused = :paused WHERE name = :name AND generation = :generation"
_MARK = "UPDATE {table} SET rebuild = :why WHERE name = :name AND generation = :generation"
_TURN = "UPDATE {table} SET role = :role WHERE name = :name AND generation = :generation"
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
    """One building of a projection's rows. ``rebuild`` says why they are to be rebuilt, None if they are not."""

    name: str
    number: int
    version: int
    role: Role
    fingerprint: str | None
    tables: tuple[str, ...]
    query: str
    mode: Mode
    paused: Paused | None
    rebuild: str | None


class Generations:
    """The table of generations in a database."""

    def __init__(self, database: Database) -> None:
        table = database.table("projections")
        (
            self._all,
            self._find,
            self._newest,
            self._begin,
            self._adopt,
            self._switch,
            self._pause,
            self._mark,
            self._turn,
            self._forget,
        ) = (
            Statement(sa.text(sql.format(table=table)), database)
            for sql in (_ALL, _FIND, _NEWEST, _BEGIN, _ADOPT, _SWITCH, _PAUSE, _MARK, _TURN, _FORGET)
        )

    async def all(self, connection: Connection) -> list[Generation]:
        """Every generation of every projection, by name and number."""
        return [_generation(row) for row in await connection.execute(*self._all.bind())]

    async def find(self, connection: Connection, name: str, role: Role = "live") -> Generation | None:
        """A projection's generation in that role."""
        rows = await connection.execute(*self._find.bind(name=name, role=role))
        return _generation(rows[0]) if rows else None

    async def begin(self, connection: Connection, blueprint: Blueprint, role: Role = "live") -> int | None:
        """A new generation's number; None if there is one in that role. Whoever else tries waits for this to end."""
        [(newest,)] = await connection.execute(*self._newest.bind(name=blueprint.name))
        bound = self._begin.bind(**_told(blueprint), generation=(newest or 0) + 1, role=role, now=_now())
        rows = await connection.execute(*bound)
        return int(rows[0][0]) if rows else None

    async def adopt(self, connection: Connection, generation: Generation, blueprint: Blueprint) -> None:
        """From now on its rows are those of this code, and need no rebuilding."""
        await connection.execute(*self._adopt.bind(**_told(blueprint), generation=generation.number))

    async def switch(self, connection: Connection, generation: Generation, mode: Mode) -> None:
        """Have it maintained by projectors, or by appends."""
        await connection.execute(*self._switch.bind(name=generation.name, generation=generation.number, mode=mode))

    async def pause(self, connection: Connection, generation: Generation, paused: Paused | None) -> None:
        """Pause it, or let it run again."""
        text = None if paused is None else msgspec.json.encode(paused).decode()
        await connection.execute(*self._pause.bind(name=generation.name, generation=generation.number, paused=text))

    async def mark(self, connection: Connection, name: str, number: int, why: str) -> None:
        """Have its rows rebuilt by the next run."""
        await connection.execute(*self._mark.bind(name=name, generation=number, why=why))

    async def turn(self, connection: Connection, generation: Generation, role: Role) -> None:
        """Give it another role, which no other generation of the projection may have."""
        await connection.execute(*self._turn.bind(name=generation.name, generation=generation.number, role=role))

    async def forget(self, connection: Connection, generation: Generation) -> None:
        """Strike it off."""
        await connection.execute(*self._forget.bind(name=generation.name, generation=generation.number))


def _told(blueprint: Blueprint) -> dict[str, Any]:
    return {
        "name": blueprint.name,
        "version": blueprint.version,
        "fingerprint": blueprint.fingerprint,
        "tables": msgspec.json.encode(blueprint.tables).decode(),
        "query": blueprint.query,
    }


def _generation(row: Sequence[Any]) -> Generation:
    name, number, version, role, fingerprint, tables, query, mode, paused, rebuild = row
    return Generation(
        name,
        number,
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
