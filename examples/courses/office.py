"""The office: reads what a command rests on, lets it decide, and appends on condition that nothing has come in between.

If an event has, the office does it all again, after a random pause that grows. Of several decisions on the same events
one is stored, and the others are made anew, on that event too. Written twice, once for each door.
"""

from __future__ import annotations

import asyncio
import random
import time

import leftfold as lf
from examples.courses.commands import Command
from examples.courses.events import CourseEvent

ATTEMPTS = 100
"""A bound, because a loop needs a bound. Each attempt that fails means that a rival's has been stored."""


def handle(store: lf.EventStore, command: Command) -> CourseEvent | None:
    """Fulfil a command and tell what was stored; `Refused` by its own rule, or the last `ConditionFailed`."""
    for attempt in range(1, ATTEMPTS + 1):
        decision = store.decision(command.query)
        event = command.decide([recorded.event for recorded in decision.events])
        if event is None:
            break
        try:
            store.append(f"Course-{command.course_id}", [event], condition=decision.condition)
            break
        except lf.ConditionFailed:
            if attempt == ATTEMPTS:
                raise
            time.sleep(pause_after(attempt))
    return event


async def handle_async(store: lf.AsyncEventStore, command: Command) -> CourseEvent | None:
    """The same through the async door."""
    for attempt in range(1, ATTEMPTS + 1):
        decision = await store.decision(command.query)
        event = command.decide([recorded.event for recorded in decision.events])
        if event is None:
            break
        try:
            await store.append(f"Course-{command.course_id}", [event], condition=decision.condition)
            break
        except lf.ConditionFailed:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(pause_after(attempt))
    return event


def pause_after(attempt: int) -> float:
    """Seconds, at most 0.25; full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS, 2015)."""
    return random.uniform(0, min(0.25, 0.005 * 2 ** min(attempt, 10)))
