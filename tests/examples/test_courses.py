"""The school's decisions, without a database: what each command rests on, what it gives, and what it refuses."""

from __future__ import annotations

import pytest

import leftfold as lf
from examples.courses import (
    MOST_COURSES,
    Audit,
    CapacityChanged,
    ChangeCapacity,
    Command,
    CourseDefined,
    CourseEvent,
    CourseFull,
    DefineCourse,
    Refused,
    StudentSubscribed,
    StudentUnsubscribed,
    Subscribe,
    TooManyCourses,
    Unsubscribe,
    about_course,
    about_student,
    handle,
)
from leftfold.events import default_registry
from leftfold.events.new import encode_events

ART = CourseDefined("art", 2)
ANN_IN_ART, BOB_IN_ART = StudentSubscribed("ann", "art"), StudentSubscribed("bob", "art")


def relevant(command: Command, history: list[CourseEvent]) -> list[CourseEvent]:
    """What a store would give the command: the events that match its query, by their tags and types."""
    asked = command.query.criteria
    found = []
    for event in history:
        [stored] = encode_events([event], default_registry)
        if any(stored.type in one.types and one.tags.issubset(stored.tags) for one in asked):
            found.append(event)
    return found


def decided(command: Command, *history: CourseEvent) -> CourseEvent | None:
    return command.decide(relevant(command, list(history)))


def test_a_course_is_defined_once() -> None:
    assert decided(DefineCourse("art", 2)) == ART
    assert decided(DefineCourse("art", 2), CourseDefined("chess", 5)) == ART
    with pytest.raises(Refused, match="there is a course art already"):
        decided(DefineCourse("art", 3), ART)


def test_a_course_has_no_less_than_no_places() -> None:
    assert decided(DefineCourse("art", 0)) == CourseDefined("art", 0)
    for command in (DefineCourse("chess", -1), ChangeCapacity("art", -1)):
        with pytest.raises(Refused, match="cannot have -1 places"):
            decided(command, ART)


def test_the_capacity_changes_but_takes_nobodys_place() -> None:
    assert decided(ChangeCapacity("art", 3), ART) == CapacityChanged("art", 3)
    assert decided(ChangeCapacity("art", 2), ART) is None
    assert decided(ChangeCapacity("art", 1), ART, ANN_IN_ART) == CapacityChanged("art", 1)
    with pytest.raises(Refused, match="2 students are in art, too many for 1 places"):
        decided(ChangeCapacity("art", 1), ART, ANN_IN_ART, BOB_IN_ART)
    with pytest.raises(Refused, match="there is no course art"):
        decided(ChangeCapacity("art", 3), CourseDefined("chess", 3))


def test_a_student_enters_a_course_that_exists_once() -> None:
    assert decided(Subscribe("ann", "art"), ART) == ANN_IN_ART
    with pytest.raises(Refused, match="there is no course art"):
        decided(Subscribe("ann", "art"), CourseDefined("chess", 3))
    with pytest.raises(Refused, match="ann is in art already"):
        decided(Subscribe("ann", "art"), ART, ANN_IN_ART)


def test_a_full_course_is_full_until_somebody_leaves_or_it_grows() -> None:
    full = (ART, ANN_IN_ART, BOB_IN_ART)
    with pytest.raises(CourseFull, match="all 2 places of art are taken"):
        decided(Subscribe("cid", "art"), *full)
    cid = StudentSubscribed("cid", "art")
    assert decided(Subscribe("cid", "art"), *full, StudentUnsubscribed("ann", "art")) == cid
    assert decided(Subscribe("cid", "art"), *full, CapacityChanged("art", 3)) == cid
    with pytest.raises(CourseFull):
        decided(Subscribe("cid", "art"), ART, CapacityChanged("art", 0))


def test_a_student_in_enough_courses_enters_another_only_after_leaving_one() -> None:
    courses = [f"course-{number}" for number in range(MOST_COURSES)]
    history: list[CourseEvent] = [ART, *(StudentSubscribed("ann", course) for course in courses)]
    with pytest.raises(TooManyCourses, match=f"ann is in {MOST_COURSES} courses, and may not be in more"):
        decided(Subscribe("ann", "art"), *history)
    assert decided(Subscribe("bob", "art"), *history) == BOB_IN_ART
    assert decided(Subscribe("ann", "art"), *history, StudentUnsubscribed("ann", courses[0])) == ANN_IN_ART


def test_only_a_student_who_is_in_a_course_leaves_it() -> None:
    assert decided(Unsubscribe("ann", "art"), ART, ANN_IN_ART) == StudentUnsubscribed("ann", "art")
    histories: list[list[CourseEvent]] = [[], [BOB_IN_ART], [ANN_IN_ART, StudentUnsubscribed("ann", "art")]]
    for history in histories:
        with pytest.raises(Refused, match="ann is not in art"):
            decided(Unsubscribe("ann", "art"), ART, *history)


def test_the_boundary_of_a_decision_is_what_it_rests_on() -> None:
    art, ann = about_course("art"), about_student("ann")
    assert DefineCourse("art", 1).query == ChangeCapacity("art", 1).query == art
    assert Subscribe("ann", "art").query == art | ann
    others: list[CourseEvent] = [BOB_IN_ART, CapacityChanged("art", 5), StudentSubscribed("ann", "chess")]
    assert relevant(Subscribe("ann", "art"), [*others, StudentSubscribed("bob", "chess")]) == others
    assert relevant(Unsubscribe("ann", "art"), [*others, ANN_IN_ART]) == [ANN_IN_ART]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([ART, ART], "event 2: art is defined twice"),
        ([CapacityChanged("art", 1)], "event 1: art has no places to change"),
        ([ANN_IN_ART], "event 1: art has 0 places, and 1 are taken"),
        ([ART, ANN_IN_ART, ANN_IN_ART], "event 3: ann enters art twice"),
        ([ART, StudentUnsubscribed("ann", "art")], "event 2: ann leaves art without being in it"),
        ([ART, ANN_IN_ART, BOB_IN_ART, StudentSubscribed("cid", "art")], "event 4: art has 2 places, and 3 are taken"),
        ([ART, ANN_IN_ART, BOB_IN_ART, CapacityChanged("art", 1)], "event 4: art has 1 places, and 2 are taken"),
        (
            [CourseDefined(name, 1) for name in "abcd"] + [StudentSubscribed("ann", name) for name in "abcd"],
            "event 8: ann is in 4 courses",
        ),
    ],
)
def test_the_audit_finds_each_kind_of_violation(events: list[CourseEvent], said: str) -> None:
    audit = Audit()
    for event in events:
        audit.replay(event)
    assert audit.violations == [said]


def test_without_the_condition_two_who_see_the_last_place_both_get_it(store_url: str) -> None:
    with lf.connect(store_url) as store:
        handle(store, DefineCourse("art", 1))
        events = {}
        for student in ("ann", "bob"):
            command = Subscribe(student, "art")
            events[student] = command.decide([one.event for one in store.decision(command.query).events])
        for event in events.values():
            store.append("Course-art", [event])
        audit = Audit()
        for recorded in store.read_all():
            audit.replay(recorded.event)
    assert audit.violations == ["event 3: art has 1 places, and 2 are taken"]
