"""Joining transactions: appends and the user's own tables commit together, or not at all.

A *joined* log is the same log, its database seen through one connection, inside a transaction that somebody else ends:
the user, or `transaction` below. It never goes through group commit, and it cannot repeat what a lost connection or a
collision took with it, because the user's own statements would have to be repeated too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from leftfold.database.held import Held
from leftfold.database.inside import check_outside, inside
from leftfold.errors import NotSupported
from leftfold.log.contract import Log


@asynccontextmanager
async def transaction(log: Log) -> AsyncIterator[Log]:
    """The log inside a write transaction of its own (BEGIN IMMEDIATE; READ COMMITTED), committed on a clean exit."""
    check_outside(log.database)
    async with log.database.transaction() as connection:
        joined = log.joined(connection)
        held = joined.database
        assert isinstance(held, Held)
        with inside(log.database):
            try:
                yield joined
                await held.check_committable()
            finally:
                held.end()
    log.announce(elsewhere=held.listened)


def refuse_to_follow() -> NoReturn:
    """A subscription never ends, and a transaction must."""
    raise NotSupported(
        "a subscription inside a transaction would keep it open for ever, and hold other followers back: "
        "subscribe with the store"
    )
