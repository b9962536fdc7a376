"""What happens at a school. The ids declare tags, so that every event of a course and of a student can be found."""

from __future__ import annotations

from typing import Annotated

import leftfold as lf

COURSE = lf.Tag("course")
STUDENT = lf.Tag("student")

CourseId = Annotated[str, COURSE]
StudentId = Annotated[str, STUDENT]


class CourseDefined(lf.Event, type="courses.course-defined"):
    course_id: CourseId
    capacity: int


class CapacityChanged(lf.Event, type="courses.capacity-changed"):
    course_id: CourseId
    capacity: int


class StudentSubscribed(lf.Event, type="courses.student-subscribed"):
    student_id: StudentId
    course_id: CourseId


class StudentUnsubscribed(lf.Event, type="courses.student-unsubscribed"):
    student_id: StudentId
    course_id: CourseId


SubscriptionEvent = StudentSubscribed | StudentUnsubscribed
CourseEvent = CourseDefined | CapacityChanged | SubscriptionEvent
