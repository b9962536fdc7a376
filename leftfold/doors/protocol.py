"""Ways of waiting: how a blocking door and an asyncio door sleep, signal and take turns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
ItemIn = TypeVar("ItemIn", contravariant=True)
OutcomeOut = TypeVar("OutcomeOut", covariant=True)


class Executor(Protocol):
    """Runs a blocking driver's calls."""

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function."""

    def close(self) -> None:
        """No calls come after this."""


class Waiting(Protocol):
    """The differences between the doors, apart from the drivers."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def signal(self) -> Signal:
        """A new flag, not set."""

    def semaphore(self, capacity: int) -> AbstractAsyncContextManager[None]:
        """At most ``capacity`` callers at a time are inside ``async with``."""

    def batcher(self, send: Send[Item, Outcome], room: Callable[[], Room[Item]], lines: int) -> Batcher[Item, Outcome]:
        """A `Batcher` with at most ``lines`` batches under way at a time."""

    def executor(self) -> Executor:
        """An executor for the calls of one blocking connection."""

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        """Begin to run a coroutine beside the caller's."""


class Background(Protocol):
    """A coroutine that runs beside the caller, and ends by itself."""

    async def join(self) -> None:
        """Wait until it has ended."""


class Signal(Protocol):
    """A flag that one party sets, from any thread, and another waits for."""

    def set(self) -> None:
        """Wake the waiting party, now or when it waits next."""

    def clear(self) -> None:
        """Reset the flag; the waiting party does."""

    async def wait(self, seconds: float) -> bool:
        """Wait until set, at most ``seconds``; whether it is set."""


Send = Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Outcome]]]
"""Sends a batch; an outcome for each item, in order. Its error is raised in every caller of the batch."""


class Room(Protocol[ItemIn]):
    """The room in a batch; made anew for each batch."""

    def admits(self, item: ItemIn) -> bool:
        """Whether this item may join the batch; if so, it has joined. A first item always may."""


class Batcher(Protocol[ItemIn, OutcomeOut]):
    """Gathers the items of concurrent callers into batches."""

    async def submit(self, item: ItemIn) -> OutcomeOut:
        """The outcome of an item, which may be sent together with others."""


def copy_of(error: Exception) -> Exception:
    """A copy for each caller, because raising writes a traceback into the error."""
    try:
        copied = copy.copy(error)
    except Exception:
        return error
    copied.__cause__ = error
    return copied
