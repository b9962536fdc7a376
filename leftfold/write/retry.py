"""Retrying a decision: on a conflict load again and decide again, a bounded number of times."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from leftfold.errors import ConcurrencyError

Result = TypeVar("Result")

DEFAULT_ATTEMPTS = 8
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0


async def retried(
    attempt: Callable[[], Awaitable[Result]], attempts: int, sleep: Callable[[float], Awaitable[None]]
) -> Result:
    """The first result without a conflict; else the last `ConcurrencyError`, telling how often it was tried.

    The pauses are exponential with full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS, 2015).
    """
    for number in range(1, attempts):
        try:
            return await attempt()
        except ConcurrencyError:
            await sleep(random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(number, 10))))
    try:
        return await attempt()
    except ConcurrencyError as conflict:
        raise ConcurrencyError(conflict.stream, conflict.expected, conflict.actual, attempts) from conflict
