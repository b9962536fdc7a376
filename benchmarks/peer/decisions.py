"""Conditions as the peer's documentation would have them, by the objects of the DCB specification themselves.

``eventsourcing.dcb.postgres_tt`` is the peer's only recorder for PostgreSQL that knows conditions. Its higher layers
map events and fold objects on top of the same calls, which would cost it more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT

from benchmarks.courses import Subscription, new_subscriptions, subscriptions, terms
from benchmarks.peer.bank import environment
from benchmarks.timing import Act, calls_per_second_of_threads

SUBSCRIBED = "StudentSubscribed"


class Courses(DCBApplication):
    """The courses' application: a recorder, and nothing above it."""

    recorder: PostgresDCBRecorderTT


def fill_courses(url: str, events: int) -> None:
    """Fill a database with so many tagged events; statistics as autovacuum would have them."""
    with _courses(url) as courses:
        for term in terms(events):
            courses.recorder.append(
                [_event(subscription) for of_student in subscriptions(term) for subscription in of_student]
            )
        with courses.recorder.datastore.cursor() as cursor:
            cursor.execute("ANALYZE")


def append_on_condition(url: str, events: int, callers: int, seconds: float) -> float:
    """Appends a second: each a subscription, unless student or course have got another meanwhile."""
    with _courses(url) as courses:
        new = [new_subscriptions(events, caller, callers) for caller in range(callers)]
        return calls_per_second_of_threads([_subscribing(courses, upcoming) for upcoming in new], seconds)


def decide(url: str, events: int, callers: int, seconds: float) -> float:
    """Decisions a second: read what student and course have, then append on that condition."""
    with _courses(url) as courses:
        new = [new_subscriptions(events, caller, callers) for caller in range(callers)]
        return calls_per_second_of_threads([_deciding(courses, upcoming) for upcoming in new], seconds)


def _courses(url: str) -> Courses:
    return Courses(env={**environment(url), "PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt"})


def _subscribing(courses: Courses, new: Iterator[Subscription]) -> Act:
    after = courses.recorder.read(_either(("no student", "no course"))).head

    def append() -> None:
        nonlocal after
        subscription = next(new)
        after = courses.recorder.append([_event(subscription)], DCBAppendCondition(_either(subscription), after))

    return append


def _deciding(courses: Courses, new: Iterator[Subscription]) -> Act:
    def decide() -> None:
        subscription = next(new)
        read = courses.recorder.read(_either(subscription))
        had = [json.loads(found.event.data) for found in read]
        if list(subscription) in [[each["student"], each["course"]] for each in had]:
            raise AssertionError(f"{subscription} have met already")
        courses.recorder.append([_event(subscription)], DCBAppendCondition(_either(subscription), read.head))

    return decide


def _either(subscription: Subscription) -> DCBQuery:
    return DCBQuery([DCBQueryItem(types=[SUBSCRIBED], tags=[tag]) for tag in subscription])


def _event(subscription: Subscription) -> DCBEvent:
    student, course = subscription
    data = json.dumps({"student": student, "course": course}).encode()
    return DCBEvent(SUBSCRIBED, data, list(subscription))
