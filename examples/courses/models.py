"""Decision models: a course and a student, as far as decisions about them need to know. Folds over a query's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

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


@dataclass(frozen=True, slots=True)
class Course:
    """How many places the course has, None if there is no such course, and the students in it."""

    capacity: int | None = None
    students: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Student:
    """The courses that a student is in."""

    courses: frozenset[str] = frozenset()


def about_course(course_id: str) -> lf.Query:
    """Everything that happened to a course."""
    return lf.Query.of(CourseEvent, tags=[COURSE.of(course_id)])


def about_student(student_id: str) -> lf.Query:
    """Every course that a student entered or left."""
    return lf.Query.of(SubscriptionEvent, tags=[STUDENT.of(student_id)])


def the_course(course_id: str, events: Iterable[CourseEvent]) -> Course:
    """The course after what happened to it; other courses' events among them are passed over."""
    return COURSES.run(event for event in events if event.course_id == course_id)


def the_student(student_id: str, events: Iterable[CourseEvent]) -> Student:
    """The student after the courses entered and left; other students' events among them are passed over."""
    return STUDENTS.run(
        event for event in events if isinstance(event, SubscriptionEvent) and event.student_id == student_id
    )


def evolve_course(course: Course, event: CourseEvent) -> Course:
    match event:
        case CourseDefined(capacity=capacity) | CapacityChanged(capacity=capacity):
            return replace(course, capacity=capacity)
        case StudentSubscribed(student_id=student_id):
            return replace(course, students=course.students | {student_id})
        case StudentUnsubscribed(student_id=student_id):
            return replace(course, students=course.students - {student_id})
        case _:
            assert_never(event)


def evolve_student(student: Student, event: SubscriptionEvent) -> Student:
    match event:
        case StudentSubscribed(course_id=course_id):
            return Student(student.courses | {course_id})
        case StudentUnsubscribed(course_id=course_id):
            return Student(student.courses - {course_id})
        case _:
            assert_never(event)


COURSES = lf.Fold(Course, evolve_course)
STUDENTS = lf.Fold(Student, evolve_student)
