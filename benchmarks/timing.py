"""How every side is timed: the same loops for leftfold, for the peer and for the raw database.

Standard library only, because the peer's interpreter, which has nothing of ours, imports it too.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Any

WARM_UP_CALLS = 30
"""Calls before the clock starts: connections are open, statements prepared, plans cached."""

PATIENCE = 60.0
"""Seconds until processes that do not start are given up."""

PAUSE = 0.15
"""Seconds between appends whose delivery is timed: the followers have come to rest."""

Act = Callable[[], object]
AsyncAct = Callable[[], Awaitable[object]]


def calls_per_second(act: Act, seconds: float) -> float:
    """Calls a second of a single caller, call after call."""
    for _ in range(WARM_UP_CALLS):
        act()
    calls, started = 0, perf_counter()
    deadline = started + seconds
    while perf_counter() < deadline:
        act()
        calls += 1
    return calls / (perf_counter() - started)


def calls_per_second_of_threads(acts: list[Act], seconds: float) -> float:
    """How often all together can do it, each caller in a thread of its own, one call after another."""
    ready = threading.Barrier(len(acts) + 1)

    def call(act: Act) -> int:
        act()
        ready.wait()
        return calls_for(act, seconds)

    with ThreadPoolExecutor(len(acts)) as pool:
        futures = [pool.submit(call, act) for act in acts]
        for future in futures:
            future.add_done_callback(lambda done: ready.abort() if done.exception() else None)
        with suppress(threading.BrokenBarrierError):  # then a caller has failed, and its result raises what it met
            ready.wait()
        started = perf_counter()
        calls = sum(future.result() for future in futures)
        return calls / (perf_counter() - started)


def calls_per_second_of_processes(
    contend: Callable[[str, float, Callable[[], object]], int], url: str, callers: int, seconds: float
) -> float:
    """How often all together can do it, each caller in a process of its own, one call after another.

    ``contend(url, seconds, wait)`` does it from ``wait()`` on for so long, and tells how often.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(callers)
    with ProcessPoolExecutor(callers, context, initializer=_get_ready, initargs=(ready,)) as pool:
        futures = [pool.submit(_contend, contend, url, seconds) for _ in range(callers)]
        failures = [error for future in futures if (error := future.exception()) is not None]
        for error in failures:
            if not isinstance(error, threading.BrokenBarrierError):  # which is what the others met because of it
                raise error
        return sum(future.result() for future in futures) / seconds


_ready: Any = None


def _get_ready(barrier: Any) -> None:
    global _ready
    _ready = barrier


def _contend(contend: Callable[[str, float, Callable[[], object]], int], url: str, seconds: float) -> int:
    try:
        return contend(url, seconds, lambda: _ready.wait(PATIENCE))
    except BaseException:
        _ready.abort()  # or the others would wait for this process in vain
        raise


def calls_for(act: Act, seconds: float) -> int:
    """How often one caller does it in that time."""
    calls, deadline = 0, perf_counter() + seconds
    while perf_counter() < deadline:
        act()
        calls += 1
    return calls


async def calls_per_second_of_tasks(acts: list[AsyncAct], seconds: float) -> float:
    """How often all together can do it, each caller in a task of its own, one call after another."""
    await asyncio.gather(*(act() for act in acts))
    calls, started = 0, perf_counter()
    deadline = started + seconds

    async def call(act: AsyncAct) -> None:
        nonlocal calls
        while perf_counter() < deadline:
            await act()
            calls += 1

    await asyncio.gather(*map(call, acts))
    return calls / (perf_counter() - started)


def seconds_taken(act: Act) -> float:
    """How long it takes once."""
    started = perf_counter()
    act()
    return perf_counter() - started


def seconds_in_turn(acts: list[Act], seconds: float) -> list[float]:
    """How long each takes, the median. They take turns call by call, so that whatever drifts meets all alike."""
    for _ in range(WARM_UP_CALLS):
        for act in acts:
            act()
    took: list[list[float]] = [[] for _ in acts]
    deadline = perf_counter() + seconds
    while perf_counter() < deadline:
        for act, times in zip(acts, took, strict=True):
            times.append(seconds_taken(act))
    return [statistics.median(times) for times in took]
