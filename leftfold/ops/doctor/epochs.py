"""Whether what is kept beside the log still stands on it, and how that is put right.

After a restore of the log alone, or of one table without another, a checkpoint may stand on an event that is gone, and
PostgreSQL's sequence behind the last event. A checkpoint cannot be put back by itself, because the rows beside it have
events folded in that no longer exist: it is marked, and the next run of its projector rebuilds the rows from history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Connection
from leftfold.database.statements import statement
from leftfold.errors import InvalidArgument
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.log.contract import Log
from leftfold.log.epochs import Epoch, divergence_of, epochs_of, lock_out_appends
from leftfold.log.subscription.cursor import remedy_for
from leftfold.ops.doctor.finding import Finding


@dataclass(frozen=True, slots=True)
class Kept:
    """A projection's checkpoint, the id of the event that stands at its position now, and why it does not fit."""

    name: str
    version: int
    generation: int
    first: int
    position: int
    rebuild: str | None
    diverged: str | None

    def __str__(self) -> str:
        return f"projection {self.name!r} (version {self.version})"


@dataclass(frozen=True, slots=True)
class Behind:
    """A sequence that would give the next event a position at or below the last one's."""

    sequence: int
    last: int


async def examine(log: Log) -> list[Finding]:
    """Who the store is, and whether its checkpoints and its sequence fit its log."""
    async with log.database.connection() as connection:
        epochs = await epochs_of(connection, log.database)
        if not epochs:
            remedy = "`leftfold doctor URL --new-identity --reason …` gives it one"
            return [Finding("wrong", "identity", "the table of epochs is empty: restored without its data?", remedy)]
        kept = await _kept(connection, log, epochs)
        behind = await _behind(connection, log)
    found = [judge_identity(epochs), *judge_kept(kept)]
    if behind is not None:
        text = f"the sequence stands at {behind.sequence:,}, and the last event at position {behind.last:,}"
        found.append(Finding("wrong", "positions", text, "`leftfold doctor URL --repair` moves it forward"))
    return found


def judge_identity(epochs: list[Epoch]) -> Finding:
    """The store's identity and epoch."""
    now = epochs[-1]
    text = f"store {now.store}, in epoch {now.number}"
    if len(epochs) > 1:
        text += f" since {now.began_at:%Y-%m-%d %H:%M:%S} (UTC), behind position {now.position:,}: {now.reason}"
    return Finding("fine", "identity", text)


def judge_kept(checkpoints: list[Kept]) -> list[Finding]:
    """Whether the projections' checkpoints stand on events of the log."""
    found = []
    for kept in checkpoints:
        if kept.rebuild is not None:
            text = f"{kept} is to be rebuilt: {kept.rebuild}"
            found.append(Finding("warning", "checkpoint", text, "the next run of its projector does it"))
        elif kept.diverged is not None:
            remedy = "`leftfold doctor URL --repair` has its rows rebuilt by the next run of its projector"
            found.append(Finding("wrong", "checkpoint", f"{kept} {kept.diverged}", remedy))
    if checkpoints and not found:
        count = "1 stands" if len(checkpoints) == 1 else f"{len(checkpoints)} stand"
        found.append(Finding("fine", "checkpoints", f"{count} on events of this log"))
    return found


async def examine_checkpoint(log: Log, checkpoint: Checkpoint) -> Finding:
    """Whether a follower may go on from a checkpoint that is kept elsewhere."""
    survey = await log.state(checkpoint.position)
    async with log.database.connection() as connection:
        parted = divergence_of(checkpoint, survey.found_id, await epochs_of(connection, log.database))
    if parted is None:
        text = f"a follower may go on behind position {checkpoint.position:,}; the head is at {survey.head:,}"
        return Finding("fine", "given", text)
    return Finding("wrong", "given", f"the checkpoint {parted.reason}", remedy_for(parted))


async def repairs(log: Log, *, do: bool) -> list[str]:
    """What is to be put right, in words. With ``do`` it is done, in a single transaction."""
    async with log.database.transaction() as connection:
        if do:
            await lock_out_appends(connection, log.database)
        epochs = await epochs_of(connection, log.database)
        if not epochs:
            raise InvalidArgument("the store has no identity: give it one first, with --new-identity --reason …")
        checkpoints = await _kept(connection, log, epochs)
        wrong = [kept for kept in checkpoints if kept.diverged is not None and kept.rebuild is None]
        said = [f"have the rows of {kept} rebuilt: it {kept.diverged}" for kept in wrong]
        for kept in wrong if do else []:
            await _mark(connection, log, kept)
        behind = await _behind(connection, log)
        if behind is not None:
            said.append(f"move the sequence of positions from {behind.sequence:,} to {behind.last:,}")
            if do:
                sequence = log.database.table("position")
                await connection.execute("SELECT setval(%s::regclass, %s)", (sequence, behind.last))
    return said


async def _kept(connection: Connection, log: Log, epochs: list[Epoch]) -> list[Kept]:
    tables = {name: log.database.table(name) for name in ("projections", "partitions", "events")}
    rows = await connection.execute(statement(__package__, "checkpoints").format(**tables))
    return [_judged(row, epochs) for row in rows]


def _judged(row: tuple[Any, ...], epochs: list[Epoch]) -> Kept:
    name, version, generation, first, position, event_id, epoch, rebuild, found = row
    store = next((known.store for known in epochs if known.number == epoch), epochs[-1].store)
    stood = Checkpoint(store, epoch, position, None if event_id is None else UUID(event_id))
    found_id = UUID(bytes=found) if isinstance(found, bytes) else found
    parted = divergence_of(stood, found_id, epochs, inside=True)
    return Kept(name, version, generation, first, position, rebuild, None if parted is None else parted.reason)


async def _mark(connection: Connection, log: Log, kept: Kept) -> None:
    await Generations(log.database).mark(connection, kept.name, kept.generation, f"it {kept.diverged}")
    await Partitions(log.database).fence(connection, kept.name, kept.generation)


async def _behind(connection: Connection, log: Log) -> Behind | None:
    """The sequence, if it would not give the next event the greatest position. SQLite has none."""
    if log.database.dialect == "sqlite":
        return None
    [(sequence, last)] = await connection.execute(
        f"SELECT coalesce(pg_sequence_last_value(%s::regclass), 0), (SELECT coalesce(max(position), 0) "
        f"FROM {log.database.table('events')})",
        (log.database.table("position"),),
    )
    return Behind(sequence, last) if sequence < last else None
