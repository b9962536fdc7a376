"""Asking a server whose connections may die: again, on another connection."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from psycopg.errors import DeadlockDetected

from leftfold.database.postgresql.connection import ConnectionLost
from leftfold.errors import StoreUnavailable

Connected = TypeVar("Connected")
Result = TypeVar("Result")

ATTEMPTS = 6


async def retry_lost(
    connect: Callable[[], AbstractAsyncContextManager[Connected]],
    ask: Callable[[Connected], Awaitable[Result]],
    sleep: Callable[[float], Awaitable[None]],
) -> Result:
    """Ask on a connection, and on another connection when the first dies; `StoreUnavailable` after `ATTEMPTS`.

    The victim of a deadlock asks again, too. A deadlock takes a user's transaction, which locks in an order of its own.
    """
    failure: Exception
    for attempt in range(ATTEMPTS):
        try:
            async with connect() as connection:
                return await ask(connection)
        except (ConnectionLost, DeadlockDetected) as lost:
            failure = lost
            await sleep(random.uniform(0, 0.05 * 2**attempt))
    raise StoreUnavailable(f"{failure}; {ATTEMPTS} attempts failed") from failure
