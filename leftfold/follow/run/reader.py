"""One reader of the log for all projections of a process: what several of them follow is read once.

The reader keeps a window of the newest events that any of its projections is about. Who stands near the head is served
from there; who is further behind reads for itself, by its own query, until it has come close.
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
from leftfold.log.subscription.cursor import Cursor
from leftfold.log.subscription.page_size import PAGE_BYTES, PageSize

WINDOW = 10_000
"""How many positions the window may span."""
Page = tuple[list[RecordedEvent], bool]
"""Events, and whether there are no more up to the horizon."""
_position = attrgetter("position")


class Reader:
    """Reads for one projection."""

    async def page(self, query: Query, standing: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        """Up to ``limit`` matching events behind where somebody stands, up to the horizon that it has been told; and
        whether there are no more up to there. All but the last may be left out if their streams' ids are not in
        ``buckets``.
        """
        events = await standing.page(query, limit, buckets)
        return events, len(events) < limit if buckets is None else not events


class SharedReader(Reader):
    """Reads for several, who ask one after another."""

    def __init__(self, log: Log, queries: Iterable[Query]) -> None:
        self._log = log
        self._query = Query(tuple(dict.fromkeys(one for query in queries for one in query.criteria)))
        self._events: list[RecordedEvent] = []
        self._start = self._end = 0
        self.reads = 0
        """How often the window was extended."""

    async def page(self, query: Query, standing: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        position, head = standing.position, standing.horizon
        if head - position > WINDOW or not await self._covers(position, head):
            return await super().page(query, standing, limit, buckets)
        behind = islice(self._events, bisect_right(self._events, position, key=_position), None)
        matching = (one for one in behind if one.position <= head and query.matches(one))
        events = list(islice(matching, limit))
        return events, len(events) < limit

    async def _covers(self, position: int, head: int) -> bool:
        """Whether the window goes from there to the head, now."""
        if not self._start <= position <= self._end:
            self._events, self._start, self._end = [], position, position
        if head > self._end:
            self.reads += 1
            size = sum(len(one.data) for one in self._events)
            async for page in self._log.read_settled(self._query, self._end, head, PageSize()):
                self._events += page
                size += sum(len(one.data) for one in page)
                if size > PAGE_BYTES:  # they are large: everybody reads for himself
                    self._events, self._start, self._end = [], head, head
                    return False
            self._end = head
        if self._end - self._start > WINDOW:
            self._start = self._end - WINDOW
            self._events = [one for one in self._events if one.position > self._start]
        return self._start <= position


class RememberingReader(Reader):
    """Reads for several at one projection who go over the same ground at about the same time: full pages are kept."""

    def __init__(self, log: Log, pages: int) -> None:
        self._pages = pages
        self._kept: OrderedDict[tuple[object, ...], list[RecordedEvent]] = OrderedDict()
        self._turn = log.database.waiting.semaphore(1)
        self.reads = 0
        """How often the log was read."""

    async def page(self, query: Query, standing: Cursor, limit: int, buckets: Buckets | None = None) -> Page:
        asked = standing.position, standing.event_id, standing.epoch, limit
        async with self._turn:
            kept = self._kept.get(asked)
            if kept is not None and kept[-1].position <= standing.horizon:
                return kept, False
            self.reads += 1
            page, is_last = await super().page(query, standing, limit)
            if not is_last:
                self._kept[asked] = page
                while len(self._kept) > self._pages:
                    self._kept.popitem(last=False)
            return page, is_last
