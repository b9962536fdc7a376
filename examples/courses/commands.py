"""The commands: each says which events it rests on, and decides from them alone. Pure.

The events that a command rests on are its consistency boundary. The decision draws it, not the data. Entering a course
concerns the course and the student; leaving it concerns this student in this course alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import leftfold as lf
from examples.courses.events import (
    COURSE,
    STUDENT,
    CapacityChanged,
    CourseDefined,
    CourseEvent,
    StudentSubscribed,
    StudentUnsubscribed,
    SubscriptionEvent,
)
from examples.courses.models import about_course, about_student, the_course, the_student

MOST_COURSES = 3
"""For one student, at the same time."""


class Refused(Exception):
    """The school says no. Nothing was recorded."""


class CourseFull(Refused):
    """Every place is taken."""


class TooManyCourses(Refused):
    """The student is in as many courses as a student may be."""


class Command(Protocol):
    """A wish. ``decide`` gives the event that fulfils it, None if there is nothing to do, and raises to refuse."""

    @property
    def course_id(self) -> str: ...

    @property
    def query(self) -> lf.Query: ...

    def decide(self, events: Sequence[CourseEvent]) -> CourseEvent | None: ...


@dataclass(frozen=True, slots=True)
class DefineCourse:
    """Rests on the course: its id must be new."""

    course_id: str
    capacity: int

    @property
    def query(self) -> lf.Query:
        return about_course(self.course_id)

    def decide(self, events: Sequence[CourseEvent]) -> CourseDefined:
        if the_course(self.course_id, events).capacity is not None:
            raise Refused(f"there is a course {self.course_id} already")
        _check_capacity(self.capacity)
        return CourseDefined(self.course_id, self.capacity)


@dataclass(frozen=True, slots=True)
class ChangeCapacity:
    """Rests on the course: no student may lose a place."""

    course_id: str
    capacity: int

    @property
    def query(self) -> lf.Query:
        return about_course(self.course_id)

    def decide(self, events: Sequence[CourseEvent]) -> CapacityChanged | None:
        course = the_course(self.course_id, events)
        if course.capacity is None:
            raise Refused(f"there is no course {self.course_id}")
        _check_capacity(self.capacity)
        if self.capacity < len(course.students):
            raise Refused(
                f"{len(course.students)} students are in {self.course_id}, too many for {self.capacity} places"
            )
        return None if self.capacity == course.capacity else CapacityChanged(self.course_id, self.capacity)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Rests on the course, which must have a place left, and on the student, whose courses are limited."""

    student_id: str
    course_id: str

    @property
    def query(self) -> lf.Query:
        return about_course(self.course_id) | about_student(self.student_id)

    def decide(self, events: Sequence[CourseEvent]) -> StudentSubscribed:
        course = the_course(self.course_id, events)
        student = the_student(self.student_id, events)
        if course.capacity is None:
            raise Refused(f"there is no course {self.course_id}")
        if self.student_id in course.students:
            raise Refused(f"{self.student_id} is in {self.course_id} already")
        if len(student.courses) >= MOST_COURSES:
            raise TooManyCourses(f"{self.student_id} is in {len(student.courses)} courses, and may not be in more")
        if len(course.students) >= course.capacity:
            raise CourseFull(f"all {course.capacity} places of {self.course_id} are taken")
        return StudentSubscribed(self.student_id, self.course_id)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Rests on this student in this course and on nothing else, so it never has to give way to other students."""

    student_id: str
    course_id: str

    @property
    def query(self) -> lf.Query:
        return lf.Query.of(SubscriptionEvent, tags=[STUDENT.of(self.student_id), COURSE.of(self.course_id)])

    def decide(self, events: Sequence[CourseEvent]) -> StudentUnsubscribed:
        if self.course_id not in the_student(self.student_id, events).courses:
            raise Refused(f"{self.student_id} is not in {self.course_id}")
        return StudentUnsubscribed(self.student_id, self.course_id)


def _check_capacity(capacity: int) -> None:
    if capacity < 0:
        raise Refused(f"a course cannot have {capacity} places")
