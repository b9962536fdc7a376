"""How a race is shown: the places of each course, the courses of the students, what it took, and what the log says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from examples.courses.commands import MOST_COURSES, CourseFull, TooManyCourses
from examples.courses.race import WISHES, Race, Result

_WIDEST = 100
_LONGEST_BAR = 50


def announce(race: Race, where: str, console: Console) -> None:
    """Before it begins."""
    students = len({wish.command.student_id for wish in race.wishes})
    title = f"{students} students, {sum(race.places.values())} places"
    _print(console, Text.assemble((title, "bold"), "  ", (where, "dim")))
    text = f"Each asks for {WISHES} courses, all at the same moment, and may be in {MOST_COURSES}."
    _print(console, Text(f"{text} {len(race.wishes)} wishes."))


def report(result: Result, console: Console) -> None:
    """What came of it."""
    _head(console, "Places")
    _print(console, Padding(_courses(result), (1, 0, 0, 1), expand=False))
    _head(console, "Students")
    _print(console, Padding(_students(result), (1, 0, 0, 1), expand=False))
    _head(console, "What it took")
    for line in _effort(result):
        _arrow(console, line)
    _head(console, "The log, read again")
    audit = result.audit
    for violation in audit.violations[:20]:
        _print(console, Padding(Text.assemble(("violated: ", "bold red"), violation), (0, 0, 0, 4), expand=False))
    if not audit.violations:
        _arrow(console, f"{audit.events} events, and every rule holds after each of them:")
        _arrow(console, f"no course over its places, no student in more than {MOST_COURSES}")


def _courses(result: Result) -> Table:
    table = _table("course", "places>", "taken>", "", "asked for>", "full>")
    for course, places in result.race.places.items():
        taken = len(result.audit.taken[course])
        wishes = [wish for wish in result.race.wishes if wish.course_id == course]
        full = sum(isinstance(wish.refused, CourseFull) for wish in wishes)
        table.add_row(course, f"{places}", f"{taken}", _bar(taken, places), f"{len(wishes)}", f"{full}")
    return table


def _students(result: Result) -> Table:
    students = {wish.command.student_id for wish in result.race.wishes}
    held = Counter(len(result.audit.courses[student]) for student in students)
    table = _table("in", "students>", "")
    for courses in range(max(MOST_COURSES, *held) + 1):
        label = f"{courses} course{'' if courses == 1 else 's'}"
        bar = "█" * min(held[courses], _LONGEST_BAR)
        table.add_row(label, f"{held[courses]}", Text(bar, "cyan" if courses <= MOST_COURSES else "red"))
    return table


def _effort(result: Result) -> Iterable[str]:
    wishes = result.race.wishes
    refusals = Counter(type(wish.refused) for wish in wishes)
    yield f"{len(wishes)} wishes in {result.seconds:.1f} s, of which {refusals[type(None)]} were fulfilled"
    yield f"{refusals[CourseFull]} found the course full, {refusals[TooManyCourses]} the student in enough courses"
    again = sum(wish.decided - 1 for wish in wishes)
    most = max(wish.decided for wish in wishes)
    yield f"{again} decisions were overtaken by another, and made again"
    yield f"the unluckiest wish took {most} attempt{'' if most == 1 else 's'}"


def _bar(taken: int, places: int) -> Text:
    over = max(0, taken - places)
    return Text.assemble(("█" * (taken - over), "green"), ("░" * (places - taken), "dim"), ("█" * over, "red"))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", no_wrap=True)
    return table


def _head(console: Console, title: str) -> None:
    _print(console, "")
    _print(console, Rule(Text(title, "bold cyan"), align="left", style="cyan dim"))


def _arrow(console: Console, text: str) -> None:
    _print(console, Padding(Text.assemble(("→ ", "bold"), text), (0, 0, 0, 4), expand=False))


def _print(console: Console, what: object) -> None:
    console.print(what, width=min(console.width, _WIDEST), highlight=False)
