"""Checkpoints: up to where a projection is applied.

A checkpoint moves by compare-and-set, first thing in the transaction that writes the rows. The row lock that it takes
keeps every other projector of the same name and version waiting until the commit, and makes it find itself overtaken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.read.compiling import Statement

_LOAD = "SELECT position, event_id, updated_at FROM {table} WHERE name = :name AND version = :version"
_CREATE = """INSERT INTO {table} (name, version, position, event_id, updated_at)
    VALUES (:name, :version, 0, NULL, :now) ON CONFLICT (name, version) DO NOTHING RETURNING position"""
_MOVE = """UPDATE {table} SET position = :position, event_id = :event_id, updated_at = :now
    WHERE name = :name AND version = :version AND position = :seen AND updated_at = :seen_at RETURNING position"""
_FORGET = "DELETE FROM {table} WHERE name = :name RETURNING version"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every event up to ``position`` is applied; ``event_id`` is of the event there, None at 0."""

    position: int
    event_id: str | None
    updated_at: str


class Checkpoints:
    """The checkpoint of one projection, by name and version."""

    def __init__(self, database: Database, name: str, version: int) -> None:
        self._name = name
        self._version = version
        self._load, self._create, self._move, self._forget = (
            Statement(sa.text(sql.format(table=database.table("checkpoints"))), database)
            for sql in (_LOAD, _CREATE, _MOVE, _FORGET)
        )

    async def load(self, connection: Connection) -> Checkpoint | None:
        """Where it stands; None if it has never begun."""
        rows = await connection.execute(*self._load.bind(name=self._name, version=self._version))
        return Checkpoint(*rows[0]) if rows else None

    async def create(self, connection: Connection) -> bool:
        """Begin at 0, unless it has begun; whether it did. Whoever else tries waits for this transaction to end."""
        now = moment.to_text(datetime.now(UTC))
        return bool(await connection.execute(*self._create.bind(name=self._name, version=self._version, now=now)))

    async def move(
        self, connection: Connection, seen: Checkpoint, position: int, event_id: UUID | None
    ) -> Checkpoint | None:
        """Move on, if it still stands where it was seen; None if somebody else has moved it."""
        moved = Checkpoint(position, None if event_id is None else str(event_id), moment.to_text(datetime.now(UTC)))
        done = await connection.execute(
            *self._move.bind(
                name=self._name,
                version=self._version,
                position=moved.position,
                event_id=moved.event_id,
                now=moved.updated_at,
                seen=seen.position,
                seen_at=seen.updated_at,
            )
        )
        return moved if done else None

    async def forget(self, connection: Connection) -> bool:
        """Delete it, in every version; whether there was one."""
        return bool(await connection.execute(*self._forget.bind(name=self._name)))
