"""Snapshots: remembered folds. A shortcut that is never trusted further than it can be checked.

A snapshot serves only if it was made from the same fields, stands on an event of its stream, and nothing that it has
folded in lies outside the question: therefore it stores the greatest occurred_at and recorded_at among its events.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from leftfold.database.protocol import Database
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
            f"WHERE s.stream = {mark} AND s.fingerprint = {mark} "
            f"AND EXISTS (SELECT 1 FROM {database.table('events')} e "
            "WHERE e.stream = s.stream AND e.version = s.version AND e.position = s.position)"
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

    async def save(self, stream: str, fingerprint: str, snapshot: Snapshot[str]) -> None:
        """Remember a state, as JSON, in place of an older one."""
        occurred, recorded = moment.to_text(snapshot.occurred), moment.to_text(snapshot.recorded)
        row = (stream, snapshot.version, snapshot.position, occurred, recorded, snapshot.state, fingerprint)
        async with self._database.transaction() as connection:
            await connection.execute(self._save, (*row, moment.to_text(datetime.now(UTC))))


def as_json(state: State, subject: Subject[State]) -> str:
    """The state as JSON; ValueError if it would not come back the same."""
    data = msgspec.json.encode(state)
    if msgspec.json.decode(data, type=subject.state_type) != state:
        raise ValueError(f"this state of {subject.name} would not come back the same from JSON")
    return data.decode()
