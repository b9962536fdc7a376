"""A heartbeat: what renews leases beside the work, so that a slow page costs none of them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from types import TracebackType
from typing import Self

from leftfold.database.protocol import Connection, Database
from leftfold.errors import StoreUnavailable

BEATS_PER_LEASE = 4
"""How often a lease is renewed before it would run out: a worker may miss some, and keeps it."""
_STEP = 0.05
logger = logging.getLogger("leftfold")


class Heartbeat:
    """``async with heartbeat:`` calls ``beat`` several times in each lease, in a thread or task of its own."""

    def __init__(
        self, database: Database, lease_seconds: float, beat: Callable[[Connection], Awaitable[None]], who: str
    ) -> None:
        self._database = database
        self._every = lease_seconds / BEATS_PER_LEASE
        self._beat = beat
        self._who = who
        self._ending = False

    async def __aenter__(self) -> Self:
        self._running = self._database.waiting.background(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        await self._running.join()

    async def _run(self) -> None:
        due = monotonic() + self._every
        while not self._ending:
            if monotonic() < due:
                await self._database.sleep(min(_STEP, self._every))
                continue
            due = monotonic() + self._every
            try:
                async with self._database.connection() as connection:
                    await self._beat(connection)
            except StoreUnavailable as error:
                logger.info("%s could not renew its leases: %s", self._who, error)
