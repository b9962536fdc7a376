"""Snapshots: remembered folds. A snapshot is trusted only as far as it can be checked.

A snapshot serves only if it was made from the same fields and stands on an event of its stream. Also, every event in
it must count for the question. Therefore it stores the greatest occurred_at and recorded_at among its events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from leftfold.database.protocol import Database, Dialect
from leftfold.database.statements import NamedStatement, named_statements
from leftfold.events import moment
from leftfold.write.question import Question
from leftfold.write.subject import Subject

State = TypeVar("State")
logger = logging.getLogger("leftfold")


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[State]):
    """A state, its place in the stream, and the greatest occurred_at and recorded_at folded in."""

    state: State
    version: int
    position: int
    occurred: datetime
    recorded: datetime


class Snapshots:
    """The table of snapshots, one for each stream."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = _statements(database.dialect, database.table("snapshots"), database.table("events"))

    async def find(self, stream: str, subject: Subject[State], question: Question) -> Snapshot[State] | None:
        """The stream's snapshot, if it may answer the question."""
        async with self._database.connection() as connection:
            find = self._sql["find"].bind(stream=stream, fingerprint=subject.fingerprint)
            rows = await connection.execute(*find)
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
        save = self._sql["save"].bind(
            stream=stream,
            version=snapshot.version,
            position=snapshot.position,
            occurred=moment.to_text(snapshot.occurred),
            recorded=moment.to_text(snapshot.recorded),
            state=snapshot.state,
            fingerprint=fingerprint,
            now=moment.to_text(datetime.now(UTC)),
        )
        async with self._database.transaction() as connection:
            await connection.execute(*save)


@lru_cache
def _statements(dialect: Dialect, snapshots: str, events: str) -> Mapping[str, NamedStatement]:
    return named_statements(__package__, "snapshots", dialect, snapshots=snapshots, events=events)


def as_json(state: State, subject: Subject[State]) -> str:
    """The state as JSON; ValueError if it would not come back the same."""
    data = msgspec.json.encode(state)
    if msgspec.json.decode(data, type=subject.state_type) != state:
        raise ValueError(f"this state of {subject.name} would not come back the same from JSON")
    return data.decode()
