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
from leftfold.log import Log
from leftfold.log.standing import Standing
from leftfold.read.compiling import Statement

_LOAD = """SELECT position, event_id, epoch, updated_at, rebuild FROM {table}
    WHERE name = :name AND version = :version"""
_CREATE = """INSERT INTO {table} (name, version, position, event_id, epoch, updated_at)
    VALUES (:name, :version, 0, NULL, 1, :now) ON CONFLICT (name, version) DO NOTHING RETURNING position"""
_MOVE = """UPDATE {table} SET position = :position, event_id = :event_id, epoch = :epoch, updated_at = :now
    WHERE name = :name AND version = :version AND position = :seen AND updated_at = :seen_at RETURNING position"""
_FORGET = "DELETE FROM {table} WHERE name = :name AND version <> :version"
_HAS_BEGUN = "SELECT version FROM {table} WHERE name = :name"
_RESTART = """INSERT INTO {table} (name, version, position, event_id, epoch, updated_at)
    VALUES (:name, :version, 0, NULL, 1, :now)
    ON CONFLICT (name, version)
    DO UPDATE SET position = 0, event_id = NULL, epoch = 1, updated_at = excluded.updated_at, rebuild = NULL"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Every event up to ``position`` is applied; ``event_id`` is of the event there, None at 0.

    The store is not named, for it is the one that this is stored in. ``rebuild`` says why the rows are to be rebuilt
    before anything else, None if they are not.
    """

    position: int
    event_id: str | None
    epoch: int
    updated_at: str
    rebuild: str | None = None

    def standing_in(self, log: Log, name: str) -> Standing:
        """A follower's place in the log there."""
        return Standing(
            log,
            self.position,
            event_id=None if self.event_id is None else UUID(self.event_id),
            epoch=self.epoch,
            inside=True,
            who=f"projection {name!r}",
            remedy=(
                "Its rows may tell of events that are gone. Rebuild them from history: "
                f"projector.reset({name!r}), then projector.catch_up()"
            ),
        )


class Checkpoints:
    """The checkpoint of one projection, by name and version."""

    def __init__(self, database: Database, name: str, version: int) -> None:
        self._name = name
        self._version = version
        self._load, self._create, self._move, self._has_begun, self._restart, self._forget = (
            Statement(sa.text(sql.format(table=database.table("checkpoints"))), database)
            for sql in (_LOAD, _CREATE, _MOVE, _HAS_BEGUN, _RESTART, _FORGET)
        )

    async def load(self, connection: Connection) -> Stored | None:
        """Where it stands; None if it has never begun."""
        rows = await connection.execute(*self._load.bind(name=self._name, version=self._version))
        return Stored(*rows[0]) if rows else None

    async def create(self, connection: Connection) -> bool:
        """Begin at 0, unless it has begun; whether it did. Whoever else tries waits for this transaction to end."""
        now = moment.to_text(datetime.now(UTC))
        return bool(await connection.execute(*self._create.bind(name=self._name, version=self._version, now=now)))

    async def move(self, connection: Connection, seen: Stored, to: Standing) -> Stored | None:
        """Move on, if it still stands where it was seen; None if somebody else has moved it."""
        assert to.epoch is not None, "it has seen the horizon"
        event_id = None if to.event_id is None else str(to.event_id)
        moved = Stored(to.position, event_id, to.epoch, moment.to_text(datetime.now(UTC)))
        done = await connection.execute(
            *self._move.bind(
                name=self._name,
                version=self._version,
                position=moved.position,
                event_id=moved.event_id,
                epoch=moved.epoch,
                now=moved.updated_at,
                seen=seen.position,
                seen_at=seen.updated_at,
            )
        )
        return moved if done else None

    async def restart(self, connection: Connection) -> bool:
        """Begin again at 0, and forget other versions; whether there was any. Nobody else moves it until the commit."""
        had_begun = bool(await connection.execute(*self._has_begun.bind(name=self._name)))
        now = moment.to_text(datetime.now(UTC))
        await connection.execute(*self._restart.bind(name=self._name, version=self._version, now=now))
        await connection.execute(*self._forget.bind(name=self._name, version=self._version))
        return had_begun
