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
from leftfold.log.page_size import PageSize
from leftfold.log.subscription.cursor import Cursor

HOT_SECONDS = 0.1
"""How long the log is polled often after a signal: other processes send theirs now and then only, see `Notifier`."""
HOT_PAUSE = 0.005
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 2.0
logger = logging.getLogger("leftfold")


class SubscriptionEngine:
    """The engine of a subscription: pages of events for ever, until closed. It has handed out all up to ``position``.

    A signal wakes it after an append, here or elsewhere. It also looks by itself now and then, because a signal may be
    lost, and an older append may still be in flight. A look asks for the horizon, and whether this still is the log
    that was followed (`EpochChanged`). It asks for events only when the horizon has moved. The position moves when a
    page has been handed out whole, and past events that do not match. While the database is away it keeps trying, and
    goes on from its position.
    """

    def __init__(self, log: Log, query: Query, after: int | Checkpoint) -> None:
        self._closed = False
        self._log = log
        self._cursor = Cursor.behind(log, after)
        self._query = query
        self._woken: Signal = log.database.signal()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or its log."""
        return self._closed or self._log.closed

    @property
    def position(self) -> int:
        """The position of the last event that was handed out, or did not match."""
        return self._cursor.position

    def checkpoint(self, last: RecordedEvent | None) -> Checkpoint | None:
        """The position as a checkpoint, or the place of ``last``, an event of a page that is not passed yet."""
        checkpoint = self._cursor.checkpoint
        if checkpoint is None or last is None or last.position <= checkpoint.position:
            return checkpoint
        return replace(checkpoint, position=last.position, event_id=last.id)

    async def pages(self) -> AsyncIterator[list[RecordedEvent]]:
        """Pages in log order; ends only after `close`, of the subscription or of the log."""
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
                before, head = self.position, await self._cursor.head()
                async for page in self._cursor.read(self._query, PageSize()):
                    yield page
                    self._cursor.passed(page[-1])
                failures = 0
                self._cursor.reached()
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
