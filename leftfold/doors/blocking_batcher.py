"""Gathering: what several callers want at the same time is sent as one batch, through either door.

While a batch is under way, what is asked for meanwhile gathers; it leaves as soon as a line is free. There are no
timers, so a caller alone is sent at once, and the busier it gets, the larger the batches. The idea is the group commit
of databases (DeWitt et al., 1984), moved to the client.

A caller that finds a free line sends its own item itself. A caller that is cancelled or interrupted takes back what has
not been sent; what has been goes its way, and nobody else's is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic

from leftfold.doors.protocol import Item, Outcome, Room, Send, copy_of


class BlockingBatcher(Generic[Item, Outcome]):
    """For threads. There is no thread of its own: the first in the queue sends for those behind it, once.

    A thread may be interrupted (KeyboardInterrupt, or what others raise in it) whenever a call returns, a function
    begins or a loop turns. So what belongs together is done with none of these in between, and a caller, however it
    ends, passes through `_leave`, which can be done again, unless somebody has told it its outcome and left it no line.

    It is the last of those whom a leader tells that hands on its line, for by then the others may have come back with
    their next items. (The line would go to whoever comes first, with an item alone, if the leader did it.)
    """

    def __init__(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> None:
        self._send = send
        self._room = room
        self._free = lines
        self._queue: deque[_Entry[Item, Outcome]] = deque()
        self._mutex = threading.Lock()

    async def submit(self, item: Item) -> Outcome:
        entry: _Entry[Item, Outcome] = _Entry(item)
        try:
            if self._queues(entry):
                entry.woken.acquire()
                if entry.leads:
                    self._take(entry)
            if entry.leads:
                await self._lead(entry)
        finally:
            if not entry.told or entry.hands_on:  # in this order: whoever tells it has given it the line before
                try:
                    self._leave(entry)
                except BaseException:
                    self._leave(entry)
                    raise
        return entry.result()

    def _queues(self, entry: _Entry[Item, Outcome]) -> bool:
        """Whether it has to; if a line is free, and nobody waits for one, it leads at once."""
        with self._mutex:
            if self._free and not self._queue:
                self._free -= 1
                entry.leads = True
            else:
                entry.woken.acquire()
                entry.queued = True
                self._queue.append(entry)
            return entry.queued

    def _take(self, leader: _Entry[Item, Outcome]) -> None:
        """The leader's own, and the next that have room; whoever is to lead on another line stays."""
        room = self._room()
        with self._mutex:
            self._queue.remove(leader)
            leader.queued = False
            room.admits(leader.item)
            leader.others = others = []
            for entry in list(self._queue):
                if entry.leads:
                    continue
                if not room.admits(entry.item):
                    break
                others += [entry]  # not append: an interrupt after that call would leave it here without a sender
                entry.sender = leader
                self._queue.remove(entry)

    async def _lead(self, leader: _Entry[Item, Outcome]) -> None:
        """Send for the whole batch, whose answers `_leave` hands out."""
        batch = [leader, *leader.others]
        try:
            outcomes = await self._send([entry.item for entry in batch])
        except Exception as error:
            if len(batch) == 1:
                raise
            for entry in batch:
                entry.error = copy_of(error)
        else:
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome = (outcome,)

    def _leave(self, leaving: _Entry[Item, Outcome]) -> None:
        """Tell those that it has sent for, put back those that have no answer, and hand on the line."""
        with self._mutex:
            if leaving.queued:
                with suppress(ValueError):
                    self._queue.remove(leaving)
            leaving.gone = True
            if leaving.leads:
                successor = leaving.successor()
                leaving.leads = False
                successor.hands_on = True
            for entry in leaving.others:
                if entry.sender is leaving and entry.is_answered:
                    entry.sender = None
                    entry.told = True
                    entry.woken.release()
            for entry in reversed(leaving.others):
                if entry.sender is leaving and not entry.gone:  # they go again, which a log recognises
                    entry.sender = None
                    entry.queued = True
                    self._queue.appendleft(entry)
            if leaving.hands_on:
                heir = next((entry for entry in self._queue if not entry.leads), None)
                leaving.hands_on = False
                if heir is None:
                    self._free += 1
                else:
                    heir.leads = True
                    heir.woken.release()


class _Entry(Generic[Item, Outcome]):
    """A thread that waits, for its outcome or for its turn to send."""

    __slots__ = (
        "error", "gone", "hands_on", "item", "leads", "others", "outcome", "queued", "sender", "thread", "told",
        "woken",
    )  # fmt: skip

    def __init__(self, item: Item) -> None:
        self.item = item
        self.others: Sequence[_Entry[Item, Outcome]] = ()
        """Whom it sends for, beside itself, as long as it is their ``sender``."""
        self.sender: _Entry[Item, Outcome] | None = None
        """Who alone may tell it, or put it back."""
        self.outcome: tuple[Outcome] | None = None
        self.error: Exception | None = None
        self.queued = self.leads = self.hands_on = self.told = self.gone = False
        self.woken = threading.Lock()
        self.thread = threading.get_ident()

    @property
    def is_answered(self) -> bool:
        return self.outcome is not None or self.error is not None

    def successor(self) -> _Entry[Item, Outcome]:
        """Who hands on its line: the last of those whom it is going to tell, or itself if there is none.

        The main thread apart: a handler of signals may begin there, and wait for other threads.
        """
        main = threading.main_thread().ident
        for entry in reversed(self.others):
            if entry.sender is self and entry.is_answered and not entry.gone and entry.thread != main:
                return entry
        return self

    def result(self) -> Outcome:
        if self.outcome is not None:
            return self.outcome[0]
        assert self.error is not None, "woken without an outcome"
        raise self.error
