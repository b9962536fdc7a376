"""What the doctor makes of what it finds; the dangers that a healthy machine does not show."""

from __future__ import annotations

import pytest

from leftfold.ops.doctor.diagnosis import judge_flushing, judge_journal, judge_schema, judge_sqlite, judge_synchronous
from leftfold.ops.doctor.finding import Level


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 40, 1), "warning"), ((3, 51, 2), "warning"), ((3, 51, 3), "fine"), ((4, 0, 0), "fine")],
)
def test_a_library_that_can_corrupt_the_wal_is_named(version: tuple[int, int, int], level: Level) -> None:
    finding = judge_sqlite(version)
    assert finding.level == level
    assert finding.text.startswith(f"SQLite {version[0]}.{version[1]}.{version[2]}")
    assert ("3.51.3 or newer" in finding.remedy) == (level == "warning")


@pytest.mark.parametrize(("number", "level"), [(0, "wrong"), (1, "wrong"), (2, "fine"), (3, "fine")])
def test_sqlite_must_flush_every_commit(number: int, level: Level) -> None:
    assert judge_synchronous(number).level == level


def test_a_journal_that_makes_readers_wait_is_named() -> None:
    assert judge_journal("wal").level == "fine"
    assert judge_journal("delete").level == "warning"


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        (("on", "on", "on"), ["fine"]),
        (("on", "remote_apply", "on"), ["fine"]),
        (("off", "on", "on"), ["wrong"]),
        (("on", "off", "on"), ["wrong"]),
        (("on", "on", "off"), ["warning"]),
        (("off", "off", "off"), ["wrong", "wrong", "warning"]),
    ],
)
def test_postgresql_must_flush_every_commit(settings: tuple[str, str, str], levels: list[Level]) -> None:
    assert [finding.level for finding in judge_flushing(*settings)] == levels


@pytest.mark.parametrize(
    ("done", "level", "remedy"),
    [
        ([], "wrong", "leftfold migrate"),
        ([1, 2], "wrong", "leftfold migrate"),
        ([1, 3], "wrong", "leftfold migrate"),
        ([1, 2, 3], "fine", ""),
        ([1, 2, 3, 4], "wrong", "upgrade leftfold"),
    ],
)
def test_the_schema_must_be_the_one_that_the_code_knows(done: list[int], level: Level, remedy: str) -> None:
    finding = judge_schema(done, 3)
    assert finding.level == level
    assert remedy in finding.remedy
