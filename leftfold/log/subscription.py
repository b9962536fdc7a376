"""Subscriptions: catch up in pages, then follow the horizon. Nothing is skipped, nothing comes twice, in log order."""

from __future__ import annotations

from collections.abc import AsyncIterator

from leftfold.database.protocol import Signal
from leftfold.events import Query, RecordedEvent
from leftfold.log.contract import Log, check_range

POLL_SECONDS = 0.02


class Following:
    """The engine of a subscription: pages of events for ever, until closed. ``position`` is up to where it has gone.

    Polling reads one number, the horizon, and events only when it has moved. A position is gone past when its page has
    been handed out whole, or when the query does not match what stands there.
    """

    def __init__(self, log: Log, query: Query, after: int) -> None:
        check_range(after, None, None)
        self.position = after
        self._log = log
        self._query = query
        self._woken: Signal = log.database.signal()
        self.closed = False

    async def pages(self) -> AsyncIterator[list[RecordedEvent]]:
        """Pages in log order; ends only after `close`."""
        while not self.closed:
            head = await self._log.head()
            if head > self.position:
                async for page in self._log.read_log(self._query, after=self.position, until=head):
                    yield page
                self.position = head
            else:
                await self._woken.wait(POLL_SECONDS)

    def close(self) -> None:
        """End the subscription promptly, from any thread or task."""
        self.closed = True
        self._woken.set()
