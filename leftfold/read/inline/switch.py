"""The switch of a projection to inline and back, without losing or doubling an event.

Each switch is one transaction that keeps every append out. In it the projection catches up to the very head, or its
checkpoint is put there, and the set of inline projections changes. From then on appends of processes that maintain the
former set are refused, and these connect anew. An inline projection has no checkpoint that a worker could move.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from leftfold.database.protocol import Connection, Database
from leftfold.errors import InvalidArgument, InvalidState, NotSupported, ProcessorOutdated
from leftfold.follow.checkpoints.audit import AuditLog
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedEvents
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.run.run import ProcessorRun
from leftfold.log.contract import Log
from leftfold.log.inline.inline_set import (
    InlineSet,
    Member,
    lock_inline_set,
    outdated,
    read_inline_set,
    write_inline_set,
)
from leftfold.log.page_size import PAGE_EVENTS
from leftfold.log.subscription.cursor import Cursor
from leftfold.log.transaction import transaction
from leftfold.read.apply.live import LiveRows
from leftfold.read.inline.projections import InlineProjections
from leftfold.read.projection.kinds import AnyProjection

CACHED_ROWS = 20_000


async def to_inline(log: Log, database: Database, projection: AnyProjection, who: str | None, why: str) -> None:
    """See `leftfold.read.projector.AsyncProjector.switch`."""
    [member] = InlineProjections(log.database, log.registry, [projection]).members
    if database is not log.database:
        raise rows_elsewhere([member])
    await _run_of(log, projection).catch_up()
    async with _alone(log) as (joined, connection, recorded):
        former = _named(recorded, member.name)
        if former is not None and former != member:
            raise ProcessorOutdated(
                f"version {former.version} of the projection {former.name!r} is inline. First switch it, "
                f"projector.switch({former.name!r}, to='background'), then rebuild it, and make version "
                f"{member.version} inline"
            )
        if former is None:
            await _begin(joined, connection, projection)
            await write_inline_set(connection, log.database, recorded | {member})
            await AuditLog(log.database).record(
                connection, member.name, "switch", who, why, {"to": "inline", "version": member.version}
            )


async def to_background(log: Log, name: str, who: str | None, why: str) -> None:
    """See `leftfold.read.projector.AsyncProjector.switch`."""
    async with _alone(log) as (joined, connection, recorded):
        live = (await Generations(log.database).lock(connection, name)).get("live")
        if live is None:
            raise InvalidArgument(f"there is no projection {name!r} in this database")
        if (member := _named(recorded, name)) is not None:
            await _end(joined, connection, live)
            await write_inline_set(connection, log.database, recorded - {member})
            await AuditLog(log.database).record(
                connection, name, "switch", who, why, {"to": "background", "version": member.version}
            )


async def establish(log: Log, inline: InlineProjections) -> None:
    """Maintain these inline, if they are what the database has recorded; `ProcessorOutdated` if not.

    In an empty log with an empty set there is nothing to catch up with: then they are recorded.
    """
    async with log.database.connection() as connection:
        recorded = await read_inline_set(connection, log.database)
    if not recorded:
        async with _alone(log) as (joined, connection, recorded):
            if not recorded and await joined.head() == 0:
                for projection in inline.projections:
                    await _begin(joined, connection, projection)
                await write_inline_set(connection, log.database, inline.members)
                recorded = inline.members
    if recorded != inline.members:
        raise outdated(recorded, inline.members)
    async with log.database.connection() as connection:
        for projection in inline.projections:
            await LiveRows(log, log.database, projection).check_inline(connection)
    log.maintain(inline)


def rows_elsewhere(members: Iterable[Member]) -> NotSupported:
    """The refusal of projections whose rows no append can write."""
    listed = ", ".join(map(str, sorted(members)))
    return NotSupported(
        f"{listed} cannot be inline with read_models=…: the rows are in another database than the log, and no "
        "transaction writes both"
    )


@asynccontextmanager
async def _alone(log: Log) -> AsyncIterator[tuple[Log, Connection, InlineSet]]:
    """The log in a transaction that keeps every append out, and the set of inline projections."""
    async with transaction(log) as joined, joined.database.connection() as connection:
        await lock_inline_set(connection, log.database)
        yield joined, connection, await read_inline_set(connection, log.database)


async def _begin(log: Log, connection: Connection, projection: AnyProjection) -> None:
    """Take the projection from its workers, catch up to the head, and drop its checkpoints."""
    generations, partitions = Generations(log.database), Partitions(log.database)
    run = _run_of(log, projection)
    await generations.lock(connection, projection.name)  # before partitions, as everywhere
    live = await run.ready()
    await partitions.keep_out(connection)
    await partitions.fence(connection, live.name, live.number)
    await run.catch_up()
    if parked := await ParkedEvents(log.database).keys(connection, live.name, live.number):
        raise InvalidState(
            f"events of {len(parked)} keys of the projection {live.name!r} are parked, so these rows are behind: "
            f"store.processors.unpark({live.name!r}) first"
        )
    await partitions.forget(connection, live.name, live.number)
    await generations.switch(connection, live, "inline")


async def _end(log: Log, connection: Connection, live: Generation) -> None:
    """Give it a checkpoint, at the head."""
    partitions = Partitions(log.database)
    state = await log.state(0)
    cursor = Cursor(log, state.head, event_id=state.head_id, epoch=state.epoch, inside=True)
    await partitions.begin(connection, live.name, live.number)
    [whole] = await partitions.load(connection, live.name, live.number)
    await partitions.move(connection, whole, cursor)
    await Generations(log.database).switch(connection, live, "async")


def _run_of(log: Log, projection: AnyProjection) -> ProcessorRun:
    rows = LiveRows(log, log.database, projection, CACHED_ROWS)
    return ProcessorRun(log, log.database, rows, page_events=PAGE_EVENTS)


def _named(members: InlineSet, name: str) -> Member | None:
    return next((member for member in members if member.name == name), None)
