"""Subscriptions: catch up in pages, then follow the horizon. Nothing is skipped, nothing comes twice, in log order."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from leftfold.checkpoint import Checkpoint
from leftfold.database.protocol import Signal
from leftfold.errors import StoreUnavailable
from leftfold.events import Query, RecordedEvent
from leftfold.log.contract import Log
from leftfold.log.paging import PageSize
from leftfold.log.standing import Standing

POLL_SECONDS = 0.02
LONGEST_PAUSE = 2.0
logger = logging.getLogger("leftfold")


class Following:
    """The engine of a subscription: pages of events for ever, until closed. ``position`` is up to where it has gone.

    Polling asks for the horizon, and whether this still is the log that was followed (`EpochChanged`), and for events
    only when the horizon has moved. A position is gone past when its page has been handed out whole, or when the query
    does not match what stands there. While the database is away it keeps trying, and goes on from where it was.
    """

    def __init__(self, log: Log, query: Query, after: int | Checkpoint) -> None:
        self.closed = False
        self._standing = Standing.behind(log, after)
        self._query = query
        self._woken: Signal = log.database.signal()

    @property
    def position(self) -> int:
        """Up to where it has gone."""
        return self._standing.position

    def checkpoint(self, last: RecordedEvent | None) -> Checkpoint | None:
        """The same as a checkpoint, or that of the last event handed out from a page which is not passed yet."""
        stood = self._standing.checkpoint
        if stood is None or last is None or last.position <= stood.position:
            return stood
        return replace(stood, position=last.position, event_id=last.id)

    async def pages(self) -> AsyncIterator[list[RecordedEvent]]:
        """Pages in log order; ends only after `close`."""
        failures = 0
        while not self.closed:
            try:
                head = await self._standing.head()
                async for page in self._standing.read(self._query, PageSize()):
                    failures = 0
                    yield page
                    self._standing.passed(page[-1])
                pause = POLL_SECONDS if head <= self.position else 0
                self._standing.reached()
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
