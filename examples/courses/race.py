"""A race: every student asks for several courses at the same moment, and there are not enough places for all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import leftfold as lf
from examples.courses.audit import Audit
from examples.courses.commands import DefineCourse, Refused, Subscribe
from examples.courses.events import CourseEvent
from examples.courses.office import handle, handle_async

PLACES = {"astronomy": 12, "baking": 8, "chess": 5, "drawing": 10, "esperanto": 3, "fencing": 6}
WISHES = 5
THREADS = 40


@dataclass(slots=True)
class Wish:
    """A `Subscribe`, how often it was decided, and why it was refused in the end, if it was."""

    command: Subscribe
    decided: int = 0
    refused: Refused | None = None

    @property
    def course_id(self) -> str:
        return self.command.course_id

    @property
    def query(self) -> lf.Query:
        return self.command.query

    def decide(self, events: Sequence[CourseEvent]) -> CourseEvent:
        self.decided += 1
        return self.command.decide(events)


@dataclass(frozen=True, slots=True)
class Race:
    """The courses with their places, and the students' wishes."""

    places: Mapping[str, int]
    wishes: Sequence[Wish]


@dataclass(frozen=True, slots=True)
class Result:
    """The race when it is over, what the log says about it, and how long it took in seconds."""

    race: Race
    audit: Audit
    seconds: float


def plan(students: int, seed: int = 1, suffix: str = "") -> Race:
    """Every student wishes `WISHES` of the courses. Ids end in ``suffix``, so that a database can see it again."""
    chance = random.Random(seed)
    wishes = [
        Wish(Subscribe(f"student-{number}{suffix}", f"{course}{suffix}"))
        for number in range(1, students + 1)
        for course in chance.sample(list(PLACES), WISHES)
    ]
    chance.shuffle(wishes)
    return Race({f"{course}{suffix}": places for course, places in PLACES.items()}, wishes)


def run(url: str, race: Race) -> Result:
    """Through the sync door, from many threads."""
    with lf.connect(url) as store:
        start = store.head()
        for course, places in race.places.items():
            handle(store, DefineCourse(course, places))

        def ask(wish: Wish) -> None:
            try:
                handle(store, wish)
            except Refused as error:
                wish.refused = error

        started = perf_counter()
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(ask, race.wishes))
        seconds = perf_counter() - started
        return Result(race, audited(store.read_all(after=start), race.places), seconds)


async def run_async(url: str, race: Race) -> Result:
    """Through the async door, from as many tasks as there are wishes."""
    async with lf.connect_async(url) as store:
        start = await store.head()
        for course, places in race.places.items():
            await handle_async(store, DefineCourse(course, places))

        async def ask(wish: Wish) -> None:
            try:
                await handle_async(store, wish)
            except Refused as error:
                wish.refused = error

        started = perf_counter()
        await asyncio.gather(*map(ask, race.wishes))
        seconds = perf_counter() - started
        return Result(race, audited([recorded async for recorded in store.read_all(after=start)], race.places), seconds)


def audited(log: Iterable[lf.RecordedEvent], courses: Iterable[str]) -> Audit:
    """What the log says about these courses."""
    audit, streams = Audit(), {f"Course-{course}" for course in courses}
    for recorded in log:
        if recorded.stream in streams:
            audit.replay(recorded.event)
    return audit
