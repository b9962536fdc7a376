"""The logs that conditions are measured on: students' subscriptions to courses. The same for leftfold and for the peer.

In each term there are as many courses as students, and every student subscribes to 25 of them, so every course has 25
subscriptions. One subscription in a hundred is to a course that outlives the terms: a tag with many events. Standard
library only, because the peer's interpreter, which has nothing of ours, imports it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

Subscription = tuple[str, str]
"""Two tags: the student's and the course's."""

TERM = 400
"""How many students a term has, where the log is large enough."""
COURSES = 25
POPULAR = "course:popular"


def terms(events: int) -> list[range]:
    """The numbers of the students of each term, in a log of so many events."""
    students = events // COURSES
    return [range(first, min(first + TERM, students)) for first in range(0, students, TERM)]


def subscriptions(term: range) -> Iterator[list[Subscription]]:
    """What a log has of a term, student by student: the courses with the student's own number and the next ones."""
    for student in term:
        yield [
            (f"student:{student}", _course(term, student + n) if (student * COURSES + n) % 100 else POPULAR)
            for n in range(COURSES)
        ]


def new_subscriptions(events: int, caller: int = 0, callers: int = 1, start: int = 0) -> Iterator[Subscription]:
    """Subscriptions that a log of so many events has not, from all its terms in turn.

    No two callers get the same student or the same course. ``start`` leaves out so many.
    """
    all_terms = terms(events)
    steps = [step for step in range(COURSES, len(all_terms[0])) if step % callers == 0]
    for number in count(start):
        term, turn = all_terms[number % len(all_terms)], number // len(all_terms)
        student = term[(caller + callers * turn) % len(term)]
        yield f"student:{student}", _course(term, student + steps[callers * turn // len(term) % len(steps)])


def _course(term: range, number: int) -> str:
    return f"course:{term[(number - term[0]) % len(term)]}"
