"""The blocking door: how callers in threads sleep, signal and take turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from queue import SimpleQueue
from typing import Any

from leftfold.doors.blocking_batcher import BlockingBatcher
from leftfold.doors.protocol import Background, Batcher, Executor, Item, Outcome, Result, Room, Send, Signal
from leftfold.doors.step import step


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


class BlockingSemaphore(AbstractAsyncContextManager[None]):
    """A semaphore for threads: a thread with a token is inside.

    Every append takes a token. `SimpleQueue` is written in C, `threading.Semaphore` in Python.
    """

    def __init__(self, capacity: int) -> None:
        self._tokens: SimpleQueue[None] = SimpleQueue()
        for _ in range(capacity):
            self._tokens.put(None)

    async def __aenter__(self) -> None:
        self._tokens.get()

    async def __aexit__(self, *error: object) -> None:
        self._tokens.put(None)


class BlockingExecutor:
    """Runs calls in the calling thread."""

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return function(*arguments)

    def close(self) -> None:
        return


class BlockingWaiting:
    """The sync door's: nothing here ever suspends a coroutine."""

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - under the sync door the waiting thread itself steps the coroutine

    def signal(self) -> Signal:
        return BlockingSignal()

    def semaphore(self, capacity: int) -> AbstractAsyncContextManager[None]:
        return BlockingSemaphore(capacity)

    def batcher(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> Batcher[Item, Outcome]:
        return BlockingBatcher(send, room, lines)

    def executor(self) -> Executor:
        return BlockingExecutor()

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        return BlockingBackground(run)


class BlockingBackground:
    """A thread of its own, which steps the coroutine."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._thread = threading.Thread(target=lambda: step(run()), name="leftfold-background", daemon=True)
        self._thread.start()

    async def join(self) -> None:
        self._thread.join()
