"""What is measured of leftfold's conditions: appends that are refused if something has happened meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg

import leftfold as lf
from benchmarks.courses import POPULAR, Subscription, new_subscriptions, subscriptions, terms
from benchmarks.timing import Act, AsyncAct, calls_per_second_of_tasks, calls_per_second_of_threads, seconds_in_turn

CATEGORY = "Subscriptions"
_used = count()
"""Subscriptions that were new, and are so no more: this process outlives the rounds, and so do the larger logs."""


class StudentSubscribed(lf.Event):
    student: str
    course: str


class PlaceReleased(lf.Event):
    course: str


def fill_courses(url: str, events: int, rare: int = 0) -> None:
    """Fill a database with so many tagged events, appended term by term; statistics as autovacuum would have them.

    Among them, term by term, are so many ``rare`` events of another type, without tags.
    """
    all_terms = terms(events)
    with lf.connect(url) as store, ThreadPoolExecutor(2) as pool:
        for appended in [pool.submit(_append_term, store, term, rare // len(all_terms)) for term in all_terms]:
            appended.result()
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")


def _append_term(store: lf.EventStore, term: range, rare: int) -> None:
    writes = [
        lf.Write(_stream(of_student[0]), [_event(subscription) for subscription in of_student], lf.NO_STREAM)
        for of_student in subscriptions(term)
    ]
    released = [PlaceReleased(course=f"course:{term[n % len(term)]}") for n in range(rare)]
    store.append_all([*writes, lf.Write(f"Places-{term[0]}", released, lf.NO_STREAM)] if rare else writes)


def costs_of_condition(urls: list[str], events: list[int], seconds: float, *, popular: bool = False) -> list[float]:
    """Seconds that an append on a condition takes in each of the logs, which have so many events; the medians."""
    stores = [lf.connect(url) for url in urls]
    try:
        conditional = _popular if popular else _unprecedented
        return seconds_in_turn([conditional(store, size) for store, size in zip(stores, events, strict=True)], seconds)
    finally:
        for store in stores:
            store.close()


def append_on_condition(url: str, events: int, callers: int, seconds: float) -> float:
    """Appends a second, from threads: each a subscription, unless student or course have got another meanwhile."""
    with lf.connect(url) as store:
        return calls_per_second_of_threads(
            [_subscribing(store, new_subscriptions(events, caller, callers)) for caller in range(callers)], seconds
        )


def append_on_condition_async(url: str, events: int, callers: int, seconds: float) -> float:
    """The same from asyncio tasks, through the async door."""

    async def run() -> float:
        async with lf.connect_async(url) as store:
            head = await store.head()
            new = [new_subscriptions(events, caller, callers) for caller in range(callers)]
            return await calls_per_second_of_tasks(
                [_subscribing_async(store, upcoming, head) for upcoming in new], seconds
            )

    return asyncio.run(run())


def decide(url: str, events: int, callers: int, seconds: float) -> float:
    """Decisions a second, from threads: read what student and course have, then append on that condition."""
    with lf.connect(url) as store:
        return calls_per_second_of_threads(
            [_deciding(store, new_subscriptions(events, caller, callers)) for caller in range(callers)], seconds
        )


def _unprecedented(store: lf.EventStore, events: int) -> Act:
    """Unless the two have met, ever: a walk along all that one of them has."""
    new = _new(events)

    def append() -> None:
        subscription = next(new)
        query = lf.Query.of(StudentSubscribed, tags=subscription)
        store.append(_stream(subscription), [_event(subscription)], condition=lf.AppendCondition(query))

    return append


def _popular(store: lf.EventStore, events: int) -> Act:
    """Unless anything has happened meanwhile to the student, or to the one popular course."""
    return _subscribing(store, ((student, POPULAR) for student, _ in _new(events)))


def _subscribing(store: lf.EventStore, new: Iterator[Subscription]) -> Act:
    after = store.head()

    def append() -> None:
        nonlocal after
        subscription = next(new)
        condition = lf.AppendCondition(_either(subscription), after)
        after = store.append(_stream(subscription), [_event(subscription)], condition=condition).position

    return append


def _subscribing_async(store: lf.AsyncEventStore, new: Iterator[Subscription], after: int) -> AsyncAct:
    async def append() -> None:
        nonlocal after
        subscription = next(new)
        condition = lf.AppendCondition(_either(subscription), after)
        after = (await store.append(_stream(subscription), [_event(subscription)], condition=condition)).position

    return append


def _deciding(store: lf.EventStore, new: Iterator[Subscription]) -> Act:
    def decide() -> None:
        subscription = next(new)
        decision = store.decision(_either(subscription))
        if subscription in {(recorded.event.student, recorded.event.course) for recorded in decision.events}:
            raise AssertionError(f"{subscription} have met already")
        store.append(_stream(subscription), [_event(subscription)], condition=decision.condition)

    return decide


def _new(events: int) -> Iterator[Subscription]:
    for start in _used:
        yield next(new_subscriptions(events, start=start))


def _either(subscription: Subscription) -> lf.Query:
    student, course = subscription
    return lf.Query.of(StudentSubscribed, tags=[student]) | lf.Query.of(StudentSubscribed, tags=[course])


def _stream(subscription: Subscription) -> str:
    return f"{CATEGORY}-{subscription[0]}"


def _event(subscription: Subscription) -> lf.NewEvent:
    student, course = subscription
    return lf.NewEvent(StudentSubscribed(student=student, course=course), tags=subscription)
