"""Epochs: how a follower knows that this is still the log that it has followed.

The id of the event at a follower's position tells of a lost tail, whatever has been written in its place. Ids cannot
tell of a retry that brings the same event to the same position. So the operator who restores a store begins a new
epoch, and then nothing that an older epoch wrote beyond its beginning counts as history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Connection, Database
from leftfold.database.statements import NamedStatement, named_statements
from leftfold.errors import InvalidState
from leftfold.events import moment


class Anchor(NamedTuple):
    """The event that a page follows: the page is read only while this event still stands there."""

    position: int
    id: UUID


@dataclass(frozen=True, slots=True)
class LogState:
    """A log at one moment; ``found_id`` is the id of the event at the position that was asked about."""

    head: int
    head_id: UUID | None
    found_id: UUID | None
    store: UUID
    epoch: int

    @property
    def checkpoint(self) -> Checkpoint:
        """The head as a checkpoint."""
        return Checkpoint(self.store, self.epoch, self.head, self.head_id)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A time without a break in a store's history: the store's identity then, and the last event when it began."""

    number: int
    store: UUID
    position: int
    event_id: UUID | None
    reason: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Divergence:
    """Why a checkpoint is not of this log's history; ``proven`` is the last point that certainly is of both."""

    reason: str
    proven: Checkpoint | None


def state_of(row: Sequence[Any]) -> LogState:
    """A row of the statement ``state``; `InvalidState` if the store has no identity."""
    head, head_id, found_id, store, epoch = row
    if store is None:
        raise InvalidState(
            "the store has no identity, for its table of epochs is empty (restored without its data?): "
            "`leftfold doctor URL --new-identity --reason …` gives it one"
        )
    return LogState(int(head), head_id and _uuid(head_id), found_id and _uuid(found_id), _uuid(store), int(epoch))


def divergence_of(
    checkpoint: Checkpoint, found_id: UUID | None, epochs: Sequence[Epoch], *, inside: bool = False
) -> Divergence | None:
    """Judge a checkpoint by the epochs of a log and the id of the event at its position now.

    None if everything up to the checkpoint is the log's own history: a follower may go on there. A checkpoint that is
    kept ``inside`` the store may go on in a copy that has become another store.
    """
    now = epochs[-1]
    own = next((epoch for epoch in epochs if (epoch.number, epoch.store) == (checkpoint.epoch, checkpoint.store)), None)
    if own is None:
        return Divergence(_stranger(checkpoint, epochs), None)
    later = [epoch for epoch in epochs if epoch.number > own.number]
    end = min(later, key=lambda epoch: epoch.position, default=None)
    if end is not None and checkpoint.position > end.position:
        reason = (
            f"stands at position {checkpoint.position} of epoch {own.number}, which ended at position {end.position}, "
            f"where epoch {end.number} began on {end.began_at:%Y-%m-%d} ({end.reason})"
        )
        return Divergence(reason, Checkpoint(now.store, now.number, end.position, end.event_id))
    if checkpoint.event_id not in (None, found_id):
        there = "no event" if found_id is None else f"event {found_id}"
        reason = (
            f"stands on event {checkpoint.event_id} at position {checkpoint.position}, where the log has {there}: it "
            "has lost events that were followed"
        )
        return Divergence(reason, None)
    if checkpoint.store != now.store and not inside:
        reason = (
            f"is of the store {checkpoint.store}, and this is {now.store}, which began as a copy of it ({now.reason})"
        )
        return Divergence(reason, Checkpoint(now.store, now.number, checkpoint.position, checkpoint.event_id))
    return None


def _stranger(checkpoint: Checkpoint, epochs: Sequence[Epoch]) -> str:
    now = epochs[-1]
    if all(epoch.store != checkpoint.store for epoch in epochs):
        return f"is of the store {checkpoint.store}, and this is {now.store}"
    return (
        f"is of epoch {checkpoint.epoch} of the store {checkpoint.store}, which this log does not know: it is in epoch "
        f"{now.number} of {now.store}, restored to a time before that"
    )


async def epochs_of(connection: Connection, database: Database) -> list[Epoch]:
    """All epochs of a store, in order."""
    rows = await connection.execute(_statement("all", database).sql)
    return [
        Epoch(number, _uuid(store), position, event_id and _uuid(event_id), reason, moment.from_stored(began))
        for number, store, position, event_id, reason, began in rows
    ]


async def begin_epoch(database: Database, reason: str, *, new_store: bool) -> Epoch:
    """Begin an epoch behind the last event, with a new identity if it is another store from now on.

    It waits for appends that are in flight, and others wait for it, so that no event falls between two epochs.
    `StoreUnavailable` if that takes longer than ten seconds.
    """
    async with database.transaction() as connection:
        await lock_out_appends(connection, database)
        former = await epochs_of(connection, database)
        last = await connection.execute(_statement("last_event", database).sql)
        position, event_id = (last[0][0], _uuid(last[0][1])) if last else (0, None)
        store = uuid4() if new_store or not former else former[-1].store
        number = former[-1].number + 1 if former else 1
        epoch = Epoch(number, store, position, event_id, reason, datetime.now(UTC))

        def as_stored(id: UUID) -> Any:
            return id.bytes if database.dialect == "sqlite" else id

        await connection.execute(
            *_statement("begin", database).bind(
                epoch=number,
                store=as_stored(store),
                position=position,
                event_id=event_id and as_stored(event_id),
                reason=reason,
                began_at=moment.to_text(epoch.began_at),
            )
        )
    return epoch


async def lock_out_appends(connection: Connection, database: Database) -> None:
    """Wait for appends that are in flight, and let others wait until the transaction ends, as in SQLite they do anyway.

    `StoreUnavailable` if that takes longer than ten seconds.
    """
    if database.dialect == "postgresql":
        await connection.execute("SET LOCAL lock_timeout = '10s'")
        await connection.execute(f"LOCK TABLE {database.table('events')} IN SHARE ROW EXCLUSIVE MODE")


def _statement(name: str, database: Database) -> NamedStatement:
    return named_statements(
        "leftfold.log", "epochs", database.dialect, epochs=database.table("epochs"), events=database.table("events")
    )[name]


def _uuid(value: UUID | bytes) -> UUID:
    return value if isinstance(value, UUID) else UUID(bytes=value)
