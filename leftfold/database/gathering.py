"""Gathering: what several callers want at the same time is sent as one batch, through either door.

While a batch is under way, what is asked for meanwhile gathers; it leaves as soon as a line is free. There are no
timers, so a caller alone is sent at once, and the busier it gets, the larger the batches. The idea is the group commit
of databases (DeWitt et al., 1984), moved to the client.

A caller that finds a free line sends its own item itself. A caller that is cancelled or interrupted takes back what has
not been sent; what has been goes its way, and nobody else's is lost.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
ItemIn = TypeVar("ItemIn", contravariant=True)
OutcomeOut = TypeVar("OutcomeOut", covariant=True)

Send = Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Outcome]]]
"""Deals with a batch; an outcome for each item, in order. What it raises is raised to every caller of the batch."""


class Room(Protocol[ItemIn]):
    """The room that a batch has; a new one for each batch."""

    def admits(self, item: ItemIn) -> bool:
        """Whether this one may join; if so, it has. A first one always may."""


class Gathering(Protocol[ItemIn, OutcomeOut]):
    """Where callers bring their items."""

    async def submit(self, item: ItemIn) -> OutcomeOut:
        """The outcome of an item, which has travelled with others'."""


class AsyncioGathering(Generic[Item, Outcome]):
    """For tasks of one event loop. Batches are sent by tasks of its own, so that no caller's cancellation stops one."""

    def __init__(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> None:
        self._send = send
        self._room = room
        self._free = lines
        self._queue: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Outcome:
        if self._free and not self._queue:
            self._free -= 1
            try:
                [outcome] = await self._send([item])
                return outcome
            finally:
                self._pass_on()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        return await future

    def _pass_on(self) -> None:
        """The line goes to whoever waits."""
        if not self._queue:
            self._free += 1
            return
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._deliver(batch)
                await asyncio.sleep(0)  # who has been answered may have the next item ready
        finally:
            self._pass_on()

    def _take(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        room = self._room()
        while self._queue and (self._queue[0][1].done() or room.admits(self._queue[0][0])):
            entry = self._queue.popleft()
            if not entry[1].done():  # it is, when its caller has been cancelled
                batch.append(entry)
        return batch

    async def _deliver(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._send([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(_copied(error))
        except BaseException:  # the loop ends
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)


class BlockingGathering(Generic[Item, Outcome]):
    """For threads. There is no thread of its own: the first in the queue sends for those behind it, once."""

    def __init__(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> None:
        self._send = send
        self._room = room
        self._free = lines
        self._queue: deque[_Entry[Item, Outcome]] = deque()
        self._mutex = threading.Lock()

    async def submit(self, item: Item) -> Outcome:
        with self._mutex:
            entry = None
            if self._free and not self._queue:
                self._free -= 1
            else:
                entry = _Entry[Item, Outcome](item)
                self._queue.append(entry)
        if entry is None:
            try:
                [outcome] = await self._send([item])
                return outcome
            finally:
                self._pass_on()
        try:
            entry.woken.acquire()
            if entry.leads:
                await self._lead(entry)
        except BaseException:
            self._abandon(entry)
            raise
        return entry.result()

    async def _lead(self, leader: _Entry[Item, Outcome]) -> None:
        batch: list[_Entry[Item, Outcome]] = []
        try:
            batch.extend(self._take(leader))
            outcomes = await self._send([entry.item for entry in batch])
        except Exception as error:
            for entry in batch:
                entry.error = _copied(error)
        except BaseException:  # this caller is interrupted; the others' are sent again, which a log recognises
            with self._mutex:
                self._queue.extendleft(entry for entry in reversed(batch) if entry is not leader)
            raise
        else:
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome = (outcome,)
        for entry in batch:
            if entry is not leader:
                entry.woken.release()
        leader.leads = False
        self._pass_on()

    def _take(self, leader: _Entry[Item, Outcome]) -> list[_Entry[Item, Outcome]]:
        """The leader's own, and the next that have room; whoever is to lead on another line stays."""
        batch, leading = [leader], []
        room = self._room()
        room.admits(leader.item)
        with self._mutex:
            self._queue.remove(leader)
            while self._queue:
                if self._queue[0].leads:
                    leading.append(self._queue.popleft())
                elif room.admits(self._queue[0].item):
                    batch.append(self._queue.popleft())
                else:
                    break
            self._queue.extendleft(reversed(leading))
        return batch

    def _pass_on(self) -> None:
        """The line goes to the first that waits and has none."""
        with self._mutex:
            entry = next((one for one in self._queue if not one.leads), None)
            if entry is None:
                self._free += 1
            else:
                entry.leads = True
                entry.woken.release()

    def _abandon(self, entry: _Entry[Item, Outcome]) -> None:
        with self._mutex:
            if entry in self._queue:
                self._queue.remove(entry)
            leads, entry.leads = entry.leads, False
        if leads:
            self._pass_on()


class _Entry(Generic[Item, Outcome]):
    """A thread that waits, for its outcome or for its turn to send."""

    __slots__ = ("error", "item", "leads", "outcome", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.leads = False
        self.outcome: tuple[Outcome] | None = None
        self.error: Exception | None = None
        self.woken = threading.Lock()
        self.woken.acquire()

    def result(self) -> Outcome:
        if self.outcome is not None:
            return self.outcome[0]
        assert self.error is not None, "woken without an outcome"
        raise self.error


def _copied(error: Exception) -> Exception:
    """One for each caller, because raising writes into it."""
    try:
        copied = copy.copy(error)
    except Exception:
        return error
    copied.__cause__ = error
    return copied
