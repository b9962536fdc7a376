"""The door of tasks: how callers under asyncio sleep, signal and take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from leftfold.doors.protocol import Background, Batcher, Executor, Item, Outcome, Result, Room, Send, Signal
from leftfold.doors.tasks_batcher import TaskBatcher


class AsyncioSignal:
    """A `Signal` that a task waits for and any thread may set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def set(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and no task waits
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        self._event.clear()

    async def wait(self, seconds: float) -> bool:
        if self._event.is_set():
            return True
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


class AsyncioBackground:
    """A task."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.get_running_loop().create_task(run())

    async def join(self) -> None:
        await self._task


class ThreadExecutor:
    """A single thread: a connection's calls run in the order in which they were made, cancelled or not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leftfold-sqlite")

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Shielded: a task's first cancellation asks for a rollback, and a second must not cancel that."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments))

    def close(self) -> None:
        self._thread.shutdown(wait=False)


class AsyncioWaiting:
    """The async door's."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def signal(self) -> Signal:
        return AsyncioSignal()

    def semaphore(self, capacity: int) -> AbstractAsyncContextManager[None]:
        return asyncio.Semaphore(capacity)

    def batcher(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> Batcher[Item, Outcome]:
        return TaskBatcher(send, room, lines)

    def executor(self) -> Executor:
        return ThreadExecutor()

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        return AsyncioBackground(run)
