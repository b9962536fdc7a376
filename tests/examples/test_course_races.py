"""Many students race for few places, from threads, tasks and processes: the log itself says that every rule held."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import typer

import leftfold as lf
from examples.courses import (
    MOST_COURSES,
    Audit,
    ChangeCapacity,
    Command,
    CourseDefined,
    CourseFull,
    DefineCourse,
    Refused,
    StudentSubscribed,
    Subscribe,
    TooManyCourses,
    Unsubscribe,
    handle,
    handle_async,
)
from examples.courses import __main__ as command
from examples.courses.race import PLACES, Race, Result, audited, plan, run, run_async

Answer = str
Racing = Callable[[str, Sequence[Command]], list[Answer]]


def threads(url: str, commands: Sequence[Command]) -> list[Answer]:
    """All at once, from threads that share three stores, as three processes would have them."""
    with lf.connect(url) as one, lf.connect(url) as two, lf.connect(url) as three:
        stores = [one, two, three]

        def ask(numbered: tuple[int, Command]) -> Answer:
            try:
                handle(stores[numbered[0] % 3], numbered[1])
            except Refused as error:
                return type(error).__name__
            return "fulfilled"

        with ThreadPoolExecutor(30) as pool:
            return list(pool.map(ask, enumerate(commands)))


def tasks(url: str, commands: Sequence[Command]) -> list[Answer]:
    """All at once, from tasks that share two stores."""

    async def ask(store: lf.AsyncEventStore, command: Command) -> Answer:
        try:
            await handle_async(store, command)
        except Refused as error:
            return type(error).__name__
        return "fulfilled"

    async def race() -> list[Answer]:
        async with lf.connect_async(url) as one, lf.connect_async(url) as two:
            return await asyncio.gather(
                *(ask((one, two)[number % 2], command) for number, command in enumerate(commands))
            )

    return asyncio.run(race())


RACES = pytest.mark.parametrize("race", [threads, tasks], ids=["threads", "tasks"])


def define(url: str, **places: int) -> None:
    with lf.connect(url) as store:
        for course, capacity in places.items():
            handle(store, DefineCourse(course, capacity))


def audit_of(url: str) -> Audit:
    audit = Audit()
    with lf.connect(url) as store:
        for recorded in store.read_all():
            audit.replay(recorded.event)
    return audit


@RACES
def test_of_many_who_ask_for_the_last_place_one_gets_it(store_url: str, race: Racing) -> None:
    define(store_url, art=1)
    answers = race(store_url, [Subscribe(f"student-{number}", "art") for number in range(24)])
    assert Counter(answers) == {"fulfilled": 1, "CourseFull": 23}
    assert audit_of(store_url).violations == []


@RACES
def test_a_student_who_asks_for_everything_at_once_gets_as_many_courses_as_one_may_have(
    store_url: str, race: Racing
) -> None:
    courses = [f"course{number}" for number in range(10)]
    define(store_url, **dict.fromkeys(courses, 5))
    answers = race(store_url, [Subscribe("ann", course) for course in courses])
    assert Counter(answers) == {"fulfilled": MOST_COURSES, "TooManyCourses": 10 - MOST_COURSES}
    assert len(audit_of(store_url).courses["ann"]) == MOST_COURSES


@RACES
def test_one_who_asks_twice_at_once_is_in_the_course_once(store_url: str, race: Racing) -> None:
    define(store_url, art=9)
    answers = race(store_url, [Subscribe("ann", "art")] * 6)
    assert Counter(answers) == {"fulfilled": 1, "Refused": 5}
    assert audit_of(store_url).violations == []


@pytest.mark.parametrize("through", ["threads", "tasks"])
def test_when_more_is_asked_for_than_there_is_every_place_is_taken_and_no_more(store_url: str, through: str) -> None:
    race = plan(students=30)
    result = run(store_url, race) if through == "threads" else asyncio.run(run_async(store_url, race))
    audit = result.audit
    assert audit.violations == []
    assert {course: len(taken) for course, taken in audit.taken.items()} == PLACES
    fulfilled = [wish for wish in race.wishes if wish.refused is None]
    assert len(fulfilled) == sum(PLACES.values()) == audit.events - len(PLACES)
    assert all(wish.command.student_id in audit.taken[wish.course_id] for wish in fulfilled)
    for wish in race.wishes:
        if isinstance(wish.refused, TooManyCourses):
            assert len(audit.courses[wish.command.student_id]) == MOST_COURSES
        elif wish.refused is not None:
            assert isinstance(wish.refused, CourseFull)


@RACES
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (2, 3))])
def test_every_rule_holds_while_students_come_and_go_and_courses_grow_and_shrink(
    store_url: str, race: Racing, seed: int
) -> None:
    define(store_url, art=4, baking=2, chess=3, drawing=5)
    chance = random.Random(seed)
    answers = race(store_url, [something(chance) for _ in range(150)])
    audit = audit_of(store_url)
    assert audit.violations == []
    assert answers.count("fulfilled") >= audit.events - 4  # a capacity that stays as it is needs no event
    assert audit.events >= 4 + 12  # something came of it


def something(chance: random.Random) -> Command:
    student, course = f"student-{chance.randrange(8)}", chance.choice(["art", "baking", "chess", "drawing"])
    if (kind := chance.random()) < 0.6:
        return Subscribe(student, course)
    return Unsubscribe(student, course) if kind < 0.85 else ChangeCapacity(course, chance.randrange(7))


def test_who_leaves_gives_way_to_nobody_but_who_enters_waits_for_the_place(store_url: str) -> None:
    define(store_url, art=2)
    with lf.connect(store_url) as store:
        handle(store, Subscribe("ann", "art"))
        leaving, entering = Unsubscribe("ann", "art"), Subscribe("cid", "art")
        left, entered = store.decision(leaving.query), store.decision(entering.query)
        handle(store, Subscribe("bob", "art"))
        with pytest.raises(lf.ConditionFailed):
            store.append("Course-art", [StudentSubscribed("cid", "art")], condition=entered.condition)
        event = leaving.decide([one.event for one in left.events])
        store.append("Course-art", [event], condition=left.condition)
        assert handle(store, entering) == StudentSubscribed("cid", "art")


@pytest.mark.exhaustive
def test_processes_race_for_the_places_too(postgres_url: str) -> None:
    places = {"art": 7, "baking": 4, "chess": 9}
    define(postgres_url, **places)
    racers = [racer(postgres_url, [f"{name}{number}" for number in range(10)], places) for name in "abcd"]
    for process in racers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in racers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers: Counter[str] = Counter()
    for process in racers:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        answers.update(json.loads(said))
    audit = audit_of(postgres_url)
    assert audit.violations == []
    assert {course: len(taken) for course, taken in audit.taken.items()} == places
    assert answers == {"fulfilled": sum(places.values()), "CourseFull": 3 * 40 - sum(places.values())}


def racer(url: str, students: Iterable[str], courses: Iterable[str]) -> subprocess.Popen[str]:
    interpreter = [sys.executable, "-X", "faulthandler"]
    arguments = [*interpreter, "-m", "tests.examples.course_racer", url, ",".join(students), ",".join(courses)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("url", "door"), [("sqlite_url", []), ("postgres_url", ["--async"])], ids=["sqlite", "postgresql"]
)
def test_the_command_tells_what_came_of_the_race_again_and_again(
    request: pytest.FixtureRequest, url: str, door: list[str]
) -> None:
    store_url: str = request.getfixturevalue(url)
    arguments = [sys.executable, "-m", "examples.courses", "--url", store_url, "--students", "20", *door]
    for _ in range(2):
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        shown = re.sub(r"\s+", " ", done.stdout)
        assert "20 students, 44 places" in shown
        assert "100 wishes in " in shown
        assert "no course over its places, no student in more than 3" in shown
        assert "violated" not in shown
        for course, places in PLACES.items():
            assert re.search(rf"{course}-[0-9a-f]{{6}} {places} \d+ [█░]{{{places}}} ", shown), done.stdout
    with lf.connect(store_url) as store:
        courses = {recorded.stream_id for recorded in store.read_all()}
        assert len(courses) == 2 * len(PLACES)
        assert audited(store.read_all(), courses).violations == []


def test_a_violated_rule_is_shown_and_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def overbooked(url: str, race: Race) -> Result:
        audit = Audit()
        audit.replay(CourseDefined("chess", 1))
        for student in ("ann", "bob"):
            audit.replay(StudentSubscribed(student, "chess"))
        return Result(race, audit, 1.0)

    monkeypatch.setattr(command, "run", overbooked)
    with pytest.raises(typer.Exit) as ended:
        command.show("sqlite://", plan(students=2), through_async=False)
    assert ended.value.exit_code == 1
    assert "violated: event 3: chess has 1 places, and 2 are taken" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_with_a_url() -> None:
    arguments = [sys.executable, "-m", "examples.courses", "--url", "mysql://x"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
