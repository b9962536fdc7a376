"""Subscriptions: catch up in pages, then follow the horizon. Nothing is skipped, nothing comes twice, in log order."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from leftfold.database.protocol import Signal
from leftfold.errors import StoreUnavailable
from leftfold.events import Query, RecordedEvent
from leftfold.log.contract import Log, check_range
from leftfold.log.paging import PageSize

POLL_SECONDS = 0.02
LONGEST_PAUSE = 2.0
logger = logging.getLogger("leftfold")


class Following:
    """The engine of a subscription: pages of events for ever, until closed. ``position`` is up to where it has gone.

    Polling reads one number, the horizon, and events only when it has moved. A position is gone past when its page has
    been handed out whole, or when the query does not match what stands there. While the database is away it keeps
    trying, and goes on from where it was.
    """

    def __init__(self, log: Log, query: Query, after: int) -> None:
        check_range(after, None, None)
        self.position = after
        self.closed = False
        self._log = log
        self._query = query
        self._woken: Signal = log.database.signal()

    async def pages(self) -> AsyncIterator[list[RecordedEvent]]:
        """Pages in log order; ends only after `close`."""
        failures = 0
        while not self.closed:
            try:
                head = await self._log.head()
                async for page in self._log.read_settled(self._query, self.position, head, PageSize()):
                    failures = 0
                    yield page
                    self.position = page[-1].position
                pause = POLL_SECONDS if head <= self.position else 0
                self.position = max(self.position, head)
            except StoreUnavailable as error:
                failures += 1
                pause = min(LONGEST_PAUSE, POLL_SECONDS * 2**failures)
                logger.warning("a subscription waits %.2f s for the store: %s", pause, error)
            if pause:
                await self._woken.wait(pause)

    def close(self) -> None:
        """End the subscription promptly, from any thread or task."""
        self.closed = True
        self._woken.set()
