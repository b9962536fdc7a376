"""Ways of waiting: how a blocking door and an asyncio door sleep, signal and take turns."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from leftfold.database.gathering import AsyncioGathering, BlockingGathering, Gathering, Room, Send
from leftfold.database.protocol import Signal
from leftfold.database.stepping import step

Result = TypeVar("Result")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Worker(Protocol):
    """Where a blocking driver's calls run."""

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run one function there."""

    def close(self) -> None:
        """No calls come after this one."""


class Waiting(Protocol):
    """What differs between the doors, apart from the drivers."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def signal(self) -> Signal:
        """A new flag, not set."""

    def turns(self, places: int) -> AbstractAsyncContextManager[None]:
        """A semaphore: at most ``places`` at a time are inside ``async with turns:``."""

    def gathering(
        self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int
    ) -> Gathering[Item, Outcome]:
        """Where callers' items become batches, ``lines`` of them under way at a time."""

    def worker(self) -> Worker:
        """A place for one blocking connection's calls."""

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        """Begin to run a coroutine beside the caller's."""


class Background(Protocol):
    """Something that runs beside the caller, and ends by itself when it is told to."""

    async def join(self) -> None:
        """Wait until it has ended."""


class BlockingSignal:
    """A `Signal` for threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        self._event.clear()

    async def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


class BlockingTurns(AbstractAsyncContextManager[None]):
    """A semaphore for threads: who has a token is inside. This queue is written in C, which every append feels;
    `threading.Semaphore` is not."""

    def __init__(self, places: int) -> None:
        self._tokens: SimpleQueue[None] = SimpleQueue()
        for _ in range(places):
            self._tokens.put(None)

    async def __aenter__(self) -> None:
        self._tokens.get()

    async def __aexit__(self, *error: object) -> None:
        self._tokens.put(None)


class BlockingWorker:
    """Runs calls where they are made."""

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return function(*arguments)

    def close(self) -> None:
        return


class BlockingWaiting:
    """For the sync door: nothing here ever suspends a coroutine."""

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - under the sync door a coroutine is stepped by the thread that waits

    def signal(self) -> Signal:
        return BlockingSignal()

    def turns(self, places: int) -> AbstractAsyncContextManager[None]:
        return BlockingTurns(places)

    def gathering(
        self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int
    ) -> Gathering[Item, Outcome]:
        return BlockingGathering(send, room, lines)

    def worker(self) -> Worker:
        return BlockingWorker()

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        return BlockingBackground(run)


class BlockingBackground:
    """A thread of its own, which steps the coroutine."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._thread = threading.Thread(target=lambda: step(run()), name="leftfold-background", daemon=True)
        self._thread.start()

    async def join(self) -> None:
        self._thread.join()


class AsyncioSignal:
    """A `Signal` that a task waits for and any thread may set."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def set(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
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


class ThreadWorker:
    """One thread, so that a connection's calls run in the order in which they were made, cancelled or not."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leftfold-sqlite")

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Shielded: a task that is cancelled twice must not take back the rollback that its first end has asked for."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments))

    def close(self) -> None:
        self._thread.shutdown(wait=False)


class AsyncioWaiting:
    """For the async door."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def signal(self) -> Signal:
        return AsyncioSignal()

    def turns(self, places: int) -> AbstractAsyncContextManager[None]:
        return asyncio.Semaphore(places)

    def gathering(
        self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int
    ) -> Gathering[Item, Outcome]:
        return AsyncioGathering(send, room, lines)

    def worker(self) -> Worker:
        return ThreadWorker()

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        return AsyncioBackground(run)
