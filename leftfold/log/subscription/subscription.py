"""Subscriptions: catch up in pages, then follow the horizon. Nothing is skipped, nothing comes twice, in log order."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

from leftfold.checkpoint import Checkpoint
from leftfold.doors.protocol import Signal
from leftfold.errors import StoreUnavailable
from leftfold.events import Query, RecordedEvent
from leftfold.log.contract import Log
from leftfold.log.subscription.cursor import Cursor
from leftfold.log.subscription.page_size import PageSize

HOT_SECONDS = 0.1
"""How long after a sign of life the log is looked at often: others' signs are told once in a while, see the herald."""
HOT_PAUSE = 0.005
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 2.0
logger = logging.getLogger("leftfold")


class SubscriptionEngine:
    """The engine of a subscription: pages of events for ever, until closed. ``position`` is up to where it has gone.

    It is woken when something has been appended, here or elsewhere, and looks by itself now and then, because a sign
    may be lost and an older append may still be in flight. Looking asks for the horizon, and whether this still is the
    log that was followed (`EpochChanged`), and for events only when the horizon has moved. A position is gone past when
    its page has been handed out whole, or when the query does not match what stands there. While the database is away
    it keeps trying, and goes on from where it was.
    """

    def __init__(self, log: Log, query: Query, after: int | Checkpoint) -> None:
        self._closed = False
        self._log = log
        self._standing = Cursor.behind(log, after)
        self._query = query
        self._woken: Signal = log.database.signal()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or its log."""
        return self._closed or self._log.closed

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
        """Pages in log order; ends only after `close`, of it or of the log."""
        self._log.join(self._woken)
        try:
            async for page in self._followed():
                yield page
        finally:
            self._log.leave(self._woken)

    async def _followed(self) -> AsyncIterator[list[RecordedEvent]]:
        failures, hot_until = 0, 0.0
        while True:
            self._woken.clear()
            if self.closed:
                return
            try:
                before, head = self.position, await self._standing.head()
                async for page in self._standing.read(self._query, PageSize()):
                    yield page
                    self._standing.passed(page[-1])
                failures = 0
                self._standing.reached()
                if head > before:
                    hot_until = monotonic() + HOT_SECONDS
                pause = HOT_PAUSE if monotonic() < hot_until else self._log.poll_seconds
            except StoreUnavailable as error:
                if self._log.closed:
                    return
                failures += 1
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)
                logger.warning("a subscription waits %.2f s for the store: %s", pause, error)
            if await self._woken.wait(pause):
                hot_until = monotonic() + HOT_SECONDS

    def close(self) -> None:
        """End the subscription promptly, from any thread or task."""
        self._closed = True
        self._woken.set()
