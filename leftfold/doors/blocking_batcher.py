"""Batches for threads: items that several callers submit at the same time are sent together.

While a batch is under way, new items gather; they leave as soon as a line is free. There are no timers: a lone item is
sent at once, and the busier it gets, the larger the batches. The idea is the group commit of databases (DeWitt et al.,
1984), moved to the client.

A caller that finds a free line sends its own item itself. A caller that is interrupted takes its item back unless it
has been sent. No other caller's item is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic

from leftfold.doors.protocol import Item, Outcome, Room, Send, copy_of


class BlockingBatcher(Generic[Item, Outcome]):
    """For threads. It has no thread of its own: the first waiting caller sends a batch for the callers behind it.

    The way of a line: a *leader* takes the line, sends its batch and wakes the callers in it. The last caller woken
    hands the line on to the next leader. By then the others are back with new items, so that the next batch is full.
    (If the leader handed it on, the first caller back would take the line, alone.)

    The danger: CPython may raise KeyboardInterrupt in a thread whenever a call returns, a function begins or a loop
    turns. For example, a leader takes items from the queue and is interrupted before it notes that: the callers of
    these items would wait for ever. So steps that belong together have none of these points in between. And however
    `submit` ends, the caller passes through `_leave`, whose every step may be repeated.
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
            # `told` must be read first, because a leader sets `hands_on` before it. The other way round, both may be
            # set in between. Then this caller would see no line to hand on, and the line would be lost.
            if not entry.told or entry.hands_on:
                try:
                    self._leave(entry)
                except BaseException:  # interrupted in the middle of it: once more
                    self._leave(entry)
                    raise
        return entry.result()

    def _queues(self, entry: _Entry[Item, Outcome]) -> bool:
        """Whether the caller has to queue. It leads at once if a line is free and no other caller waits."""
        with self._mutex:
            if self._free and not self._queue:
                self._free -= 1
                entry.leads = True
            else:
                entry.woken.acquire()  # free so far; `submit` acquires it again, and so waits for a release
                entry.queued = True
                self._queue.append(entry)
            return entry.queued

    def _take(self, leader: _Entry[Item, Outcome]) -> None:
        """Take the leader's item and the next ones into a batch, while it has room.

        A caller that is to lead on another line stays in the queue, and so does its item.
        """
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
                others += [entry]  # no call: after an interrupt here, the entry would be in the batch without a sender
                entry.sender = leader
                self._queue.remove(entry)

    async def _lead(self, leader: _Entry[Item, Outcome]) -> None:
        """Send the batch. `_leave` hands out the outcomes."""
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
        """Wake the answered callers of its batch, put back the others, and hand on its line.

        It may be interrupted anywhere, and then runs again. Each part first checks what is left to do, by flags that
        change together with the work: ``sender`` is cleared when an entry is told or put back.
        """
        with self._mutex:
            if leaving.queued:
                with suppress(ValueError):
                    self._queue.remove(leaving)
            leaving.gone = True
            if leaving.leads:  # before the callers are told: see `submit`
                successor = leaving.successor()
                leaving.leads = False
                successor.hands_on = True
            for entry in leaving.others:
                if entry.sender is leaving and entry.is_answered:
                    entry.sender = None
                    entry.told = True
                    entry.woken.release()
            for entry in reversed(leaving.others):
                if entry.sender is leaving and not entry.gone:  # sent again: the log recognises event ids
                    entry.sender = None
                    entry.queued = True
                    self._queue.appendleft(entry)
            if leaving.hands_on:
                next_leader = next((entry for entry in self._queue if not entry.leads), None)
                leaving.hands_on = False
                if next_leader is None:
                    self._free += 1
                else:
                    next_leader.leads = True
                    next_leader.woken.release()


class _Entry(Generic[Item, Outcome]):
    """A caller with its item, waiting for an outcome or for a line.

    ``queued``: in the queue. ``leads``: has a line, and sends. ``hands_on``: has a line, and gives it away. ``told``:
    may return its result. ``gone``: has been interrupted or has returned, and is not to be sent again.
    """

    __slots__ = (
        "error", "gone", "hands_on", "item", "leads", "others", "outcome", "queued", "sender", "thread", "told",
        "woken",
    )  # fmt: skip

    def __init__(self, item: Item) -> None:
        self.item = item
        self.others: Sequence[_Entry[Item, Outcome]] = ()
        """The rest of its batch, as long as it is their ``sender``."""
        self.sender: _Entry[Item, Outcome] | None = None
        """The leader that has taken this entry, and alone may tell it or put it back."""
        self.outcome: tuple[Outcome] | None = None
        self.error: Exception | None = None
        self.queued = self.leads = self.hands_on = self.told = self.gone = False
        self.woken = threading.Lock()
        self.thread = threading.get_ident()

    @property
    def is_answered(self) -> bool:
        return self.outcome is not None or self.error is not None

    def successor(self) -> _Entry[Item, Outcome]:
        """The caller that hands on the line: the last that this leader will wake, or itself if it wakes none.

        Never the main thread: a signal handler may begin there before it hands on, and wait for other threads.
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
