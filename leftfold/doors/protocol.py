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
    ) -> Batcher[Item, Outcome]:
        """Where callers' items become batches, ``lines`` of them under way at a time."""

    def worker(self) -> Executor:
        """A place for one blocking connection's calls."""

    def background(self, run: Callable[[], Coroutine[Any, Any, None]]) -> Background:
        """Begin to run a coroutine beside the caller's."""


class Background(Protocol):
    """Something that runs beside the caller, and ends by itself when it is told to."""

    async def join(self) -> None:
        """Wait until it has ended."""


class Signal(Protocol):
    """A flag that one party sets, from any thread, and another waits for."""

    def set(self) -> None:
        """Wake whoever waits, now and later."""

    def clear(self) -> None:
        """Not set any more; for the one who waits."""

    async def wait(self, seconds: float) -> bool:
        """Wait until set, at most ``seconds``; whether it is set."""


Send = Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Outcome]]]
"""Deals with a batch; an outcome for each item, in order. What it raises is raised to every caller of the batch."""


class Room(Protocol[ItemIn]):
    """The room that a batch has; a new one for each batch."""

    def admits(self, item: ItemIn) -> bool:
        """Whether this one may join; if so, it has. A first one always may."""


class Batcher(Protocol[ItemIn, OutcomeOut]):
    """Where callers bring their items."""

    async def submit(self, item: ItemIn) -> OutcomeOut:
        """The outcome of an item, which has travelled with others'."""


def copy_of(error: Exception) -> Exception:
    """One for each caller, because raising writes into it."""
    try:
        copied = copy.copy(error)
    except Exception:
        return error
    copied.__cause__ = error
    return copied
