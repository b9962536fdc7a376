"""How every side is timed: the same loops for leftfold, for the peer and for the raw database.

Standard library only, because the peer's interpreter, which has nothing of ours, imports it too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter

WARM_UP_CALLS = 30
"""Calls before the clock starts: connections are open, statements prepared, plans cached."""

Act = Callable[[], object]
AsyncAct = Callable[[], Awaitable[object]]


def calls_per_second(act: Act, seconds: float) -> float:
    """How often one caller can do it, one call after another."""
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
        calls, deadline = 0, perf_counter() + seconds
        while perf_counter() < deadline:
            act()
            calls += 1
        return calls

    with ThreadPoolExecutor(len(acts)) as pool:
        futures = [pool.submit(call, act) for act in acts]
        for future in futures:
            future.add_done_callback(lambda done: ready.abort() if done.exception() else None)
        with suppress(threading.BrokenBarrierError):  # then a caller has failed, and its result raises what it met
            ready.wait()
        started = perf_counter()
        calls = sum(future.result() for future in futures)
        return calls / (perf_counter() - started)


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
