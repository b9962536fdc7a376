"""Joining transactions: appends and the user's own tables commit together, or not at all.

A *joined* log is the same log, its database seen through one connection, inside a transaction that the user, or
`transaction` below, ends. It never goes through group commit. It cannot repeat what a lost connection or a collision
took with it, because the user's own statements would have to be repeated too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from leftfold.database.held import Held
from leftfold.database.inside import check_outside, inside
from leftfold.database.protocol import Row
from leftfold.errors import InvalidArgument
from leftfold.log.contract import Log


@asynccontextmanager
async def transaction(log: Log) -> AsyncIterator[Log]:
    """The log inside a write transaction of its own (BEGIN IMMEDIATE; READ COMMITTED), committed on a clean exit."""
    check_outside(log.database)
    committed: Held | None = None
    try:
        async with log.database.transaction() as connection:
            joined = log.joined(connection)
            held = held_in(joined)
            with inside(log.database):
                try:
                    yield joined
                    await held.check_committable()
                finally:
                    held.end()
            committed = held
    except Exception as error:
        if committed is None or (failure := committed.failure_of_commit(error)) is error:
            raise
        raise failure from error
    log.announce(elsewhere=held.listened)


def held_in(joined: Log) -> Held:
    """The database of a joined log."""
    assert isinstance(joined.database, Held)
    return joined.database


async def execute(joined: Log, sql: Any, parameters: Sequence[Any]) -> list[Row]:
    """A statement of the user's own; `InvalidArgument` for what is no SQL."""
    if not isinstance(sql, str):
        kind = type(sql)
        raise InvalidArgument(
            f"execute takes SQL as a str, not {kind.__module__.partition('.')[0]}'s {kind.__qualname__}: SQLAlchemy's "
            "statements run on its own connections and sessions, which store.using(connection) joins"
        )
    return await held_in(joined).execute(sql, parameters)
