"""Snapshots: remembered folds. A shortcut that is never trusted further than it can be checked.

A snapshot serves only if it was made from the same fields, is not ahead of its stream, and nothing that it has folded
in lies outside the question: therefore it stores the greatest occurred_at and recorded_at among its events.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from leftfold.database import Database
from leftfold.events import moment
from leftfold.write.question import Question
from leftfold.write.subject import Subject

State = TypeVar("State")
logger = logging.getLogger("leftfold")


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[State]):
    """A state, where in the stream it was, and the greatest occurred_at and recorded_at folded in."""

    state: State
    version: int
    position: int
    occurred: datetime
    recorded: datetime


class Snapshots:
    """The table of snapshots, one for each stream."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = database.table("snapshots")
        mark = "?" if database.dialect == "sqlite" else "%s"
        self._find = (
            f"SELECT s.state, s.version, s.position, s.occurred_max, s.recorded_max FROM {table} s "
            f"WHERE s.stream = {mark} AND s.fingerprint = {mark} AND s.version <= (SELECT max(e.version) "
            f"FROM {database.table('events')} e WHERE e.stream = s.stream)"
        )
        columns = "stream, version, position, occurred_max, recorded_max, state, fingerprint, created_at"
        replaced = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ")[1:])
        self._save = (
            f"INSERT INTO {table} AS s ({columns}) VALUES ({', '.join([mark] * 8)}) "
            f"ON CONFLICT (stream) DO UPDATE SET {replaced} "
            "WHERE excluded.version > s.version OR excluded.fingerprint <> s.fingerprint"
        )

    async def find(self, stream: str, subject: Subject[State], question: Question) -> Snapshot[State] | None:
        """The stream's snapshot, if it may answer the question."""
        async with self._database.connection() as connection:
            rows = await connection.execute(self._find, (stream, subject.fingerprint))
        for text, version, position, occurred, recorded in rows:
            occurred, recorded = moment.from_stored(occurred), moment.from_stored(recorded)
            if question.covers(version, occurred, recorded):
                try:
                    state = msgspec.json.decode(text, type=subject.state_type)
                except msgspec.DecodeError as error:
                    logger.warning("the snapshot of %s does not fit and is ignored: %s", stream, error)
                    return None
                return Snapshot(state, version, position, occurred, recorded)
        return None

    async def save(self, stream: str, subject: Subject[State], snapshot: Snapshot[State]) -> None:
        """Remember; in place of an older one. A failure is only logged: the events are safe."""
        try:
            state = msgspec.json.encode(snapshot.state)
            if msgspec.json.decode(state, type=subject.state_type) != snapshot.state:
                logger.warning("no snapshot of %s: its state would not come back the same from JSON", stream)
                return
            occurred, recorded = moment.to_text(snapshot.occurred), moment.to_text(snapshot.recorded)
            row = (stream, snapshot.version, snapshot.position, occurred, recorded, state.decode())
            async with self._database.transaction() as connection:
                await connection.execute(self._save, (*row, subject.fingerprint, moment.to_text(datetime.now(UTC))))
        except Exception as error:
            logger.warning("the snapshot of %s could not be saved: %s", stream, error)
