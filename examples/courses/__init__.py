"""Courses and students, the example of dcb.events: rules that cross streams, kept by a condition on tags.

Read it in this order: events, models, commands, office, audit.
``python -m examples.courses`` lets many students race for few places.
"""

from examples.courses.audit import Audit
from examples.courses.commands import (
    MOST_COURSES,
    ChangeCapacity,
    Command,
    CourseFull,
    DefineCourse,
    Refused,
    Subscribe,
    TooManyCourses,
    Unsubscribe,
)
from examples.courses.events import CapacityChanged, CourseDefined, CourseEvent, StudentSubscribed, StudentUnsubscribed
from examples.courses.models import Course, Student, about_course, about_student
from examples.courses.office import handle, handle_async

__all__ = [
    "MOST_COURSES",
    "Audit",
    "CapacityChanged",
    "ChangeCapacity",
    "Command",
    "Course",
    "CourseDefined",
    "CourseEvent",
    "CourseFull",
    "DefineCourse",
    "Refused",
    "Student",
    "StudentSubscribed",
    "StudentUnsubscribed",
    "Subscribe",
    "TooManyCourses",
    "Unsubscribe",
    "about_course",
    "about_student",
    "handle",
    "handle_async",
]
