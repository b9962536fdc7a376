"""The audit: the whole log read again, and every rule of the school checked at every event. Pure, and on its own.

It counts in its own way, so that a mistake in the decision models is not repeated here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import assert_never

from examples.courses.commands import MOST_COURSES
from examples.courses.events import CapacityChanged, CourseDefined, CourseEvent, StudentSubscribed, StudentUnsubscribed


@dataclass(slots=True)
class Audit:
    """Takes in the events in the order of the log. ``violations`` tells every event that should not be there."""

    places: dict[str, int] = field(default_factory=dict)
    taken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    courses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    events: int = 0
    violations: list[str] = field(default_factory=list)

    def replay(self, event: CourseEvent) -> None:
        """Take in the next event."""
        self.events += 1
        match event:
            case CourseDefined(course_id=course, capacity=places):
                self._expect(course not in self.places, f"{course} is defined twice")
                self.places[course] = places
            case CapacityChanged(course_id=course, capacity=places):
                self._expect(course in self.places, f"{course} has no places to change")
                self.places[course] = places
            case StudentSubscribed(student_id=student, course_id=course):
                self._expect(student not in self.taken[course], f"{student} enters {course} twice")
                self.taken[course].add(student)
                self.courses[student].add(course)
            case StudentUnsubscribed(student_id=student, course_id=course):
                self._expect(student in self.taken[course], f"{student} leaves {course} without being in it")
                self.taken[course].discard(student)
                self.courses[student].discard(course)
            case _:
                assert_never(event)
        self._check_limits(event)

    def _check_limits(self, event: CourseEvent) -> None:
        places, taken = self.places.get(event.course_id, 0), len(self.taken[event.course_id])
        self._expect(taken <= places, f"{event.course_id} has {places} places, and {taken} are taken")
        if isinstance(event, StudentSubscribed):
            many = len(self.courses[event.student_id])
            self._expect(many <= MOST_COURSES, f"{event.student_id} is in {many} courses")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.violations.append(f"event {self.events}: {what}")
