"""Batches for tasks of one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic

from leftfold.doors.protocol import Item, Outcome, Room, Send, copy_of


class TaskBatcher(Generic[Item, Outcome]):
    """For tasks of one event loop. Its own tasks send the batches, so that no caller's cancellation stops a batch.

    Each line takes an even share of the gathered items. A line that took them all would leave the next, single item to
    the other line, again and again. (With threads, which wake each other slowly, that makes no difference.)
    """

    def __init__(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> None:
        self._send = send
        self._room = room
        self._free = self._lines = lines
        self._sent = 0
        """How many items are under way."""
        self._queue: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Outcome:
        if self._free and not self._queue:
            self._free -= 1
            self._sent += 1
            try:
                [outcome] = await self._send([item])
                return outcome
            finally:
                self._sent -= 1
                self._pass_on()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        return await future

    def _pass_on(self) -> None:
        """Start the next batch on the line, or free the line."""
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
                await asyncio.sleep(0)  # answered callers may have their next items ready
        finally:
            self._pass_on()

    def _take(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        room = self._room()
        share = -(-(len(self._queue) + self._sent) // self._lines)
        while self._queue and len(batch) < share and (self._queue[0][1].done() or room.admits(self._queue[0][0])):
            entry = self._queue.popleft()
            if not entry[1].done():  # it is, when its caller has been cancelled
                batch.append(entry)
        return batch

    async def _deliver(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        self._sent += len(batch)
        try:
            try:
                outcomes = await self._send([item for item, _ in batch])
            finally:
                self._sent -= len(batch)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(copy_of(error))
        except BaseException:  # the loop ends
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
