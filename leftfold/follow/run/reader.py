"""Readers of the log: what several processors of a worker follow is read once.

The shared reader keeps a window of the newest events that any of its processors follows. A processor near the head is
served from the window. A processor further behind reads by its own query, until it has come close.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from operator import attrgetter

from leftfold.events import Query, RecordedEvent
from leftfold.log.buckets import Buckets
from leftfold.log.contract import Log
from leftfold.log.page_size import PAGE_BYTES, PageSize
from leftfold.log.subscription.cursor import Cursor

WINDOW = 10_000
"""How many positions the window may span."""
Page = tuple[list[RecordedEvent], bool]
"""Events, and whether there are no more up to the horizon."""
_position = attrgetter("position")


class Reader:
    """Reads for one processor."""

    async def page(self, query: Query, cursor: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        """Up to ``limit`` matching events behind the cursor, and whether there are no more up to its horizon.

        All but the last may be left out if their streams' ids are not in ``buckets``.
        """
        events = await cursor.page(query, limit, buckets)
        return events, len(events) < limit if buckets is None else not events


class SharedReader(Reader):
    """Reads for several processors, which ask one after another."""

    def __init__(self, log: Log, queries: Iterable[Query]) -> None:
        self._log = log
        self._query = Query(tuple(dict.fromkeys(criterion for query in queries for criterion in query.criteria)))
        self._events: list[RecordedEvent] = []
        self._start = self._end = 0
        self.reads = 0
        """How often the window was extended."""

    async def page(self, query: Query, cursor: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        position, head = cursor.position, cursor.horizon
        if head - position > WINDOW or not await self._covers(position, head):
            return await super().page(query, cursor, limit, buckets)
        behind = islice(self._events, bisect_right(self._events, position, key=_position), None)
        matching = (event for event in behind if event.position <= head and query.matches(event))
        events = list(islice(matching, limit))
        return events, len(events) < limit

    async def _covers(self, position: int, head: int) -> bool:
        """Whether the window goes from there to the head, now."""
        if not self._start <= position <= self._end:
            self._events, self._start, self._end = [], position, position
        if head > self._end:
            self.reads += 1
            size = sum(len(event.data) for event in self._events)
            async for page in self._log.read_settled(self._query, self._end, head, PageSize()):
                self._events += page
                size += sum(len(event.data) for event in page)
                if size > PAGE_BYTES:  # too large to keep: each processor reads by its own query
                    self._events, self._start, self._end = [], head, head
                    return False
            self._end = head
        if self._end - self._start > WINDOW:
            self._start = self._end - WINDOW
            self._events = [event for event in self._events if event.position > self._start]
        return self._start <= position


class RememberingReader(Reader):
    """Reads for the workers of one rebuild, which ask for the same pages at about one time: it keeps full pages."""

    def __init__(self, log: Log, pages: int) -> None:
        self._pages = pages
        self._kept: OrderedDict[tuple[object, ...], list[RecordedEvent]] = OrderedDict()
        self._turn = log.database.waiting.semaphore(1)
        self.reads = 0
        """How often the log was read."""

    async def page(self, query: Query, cursor: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        asked = cursor.position, cursor.event_id, cursor.epoch, limit
        async with self._turn:
            kept = self._kept.get(asked)
            if kept is not None and kept[-1].position <= cursor.horizon:
                return kept, False
            self.reads += 1
            page, is_last = await super().page(query, cursor, limit)
            if not is_last:
                self._kept[asked] = page
                while len(self._kept) > self._pages:
                    self._kept.popitem(last=False)
            return page, is_last
