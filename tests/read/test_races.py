"""Seeded races of workers that are killed and stopped between any two steps; every row is always right.

``LEFTFOLD_RACES=100`` runs two hundred, a hundred on each back end, which takes some minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = max(2, int(os.environ.get("LEFTFOLD_RACES", "6")))
"""On each back end: the first seed in the quick tier, the others in the exhaustive one."""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the stores of the races are made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}"
    database: str = request.getfixturevalue("postgres_database")
    return database if "?" in database else f"{database}?application_name=race"


def race(place: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.read.racing", place, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("first", "runs", "kills", "stops"),
    [(0, 1, 1, 0), pytest.param(1, RUNS - 1, 2 * RUNS - 1, (RUNS + 1) // 2, marks=pytest.mark.exhaustive)],
    ids=["one", "more"],
)
def test_rows_are_always_the_fold_up_to_the_checkpoint(
    place: str, first: int, runs: int, kills: int, stops: int
) -> None:
    """A single race kills six workers on a fast machine and one on a slow machine; several races even that out."""
    ran = race(place, first, runs)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counts = {what: int(number.replace(",", "")) for number, what in re.findall(r"(\d[\d,]*) (\w+)", ran.stdout)}
    assert counts["killed"] >= kills
    assert counts["stopped"] >= stops
    assert counts["snapshots"] == 5 * runs


@pytest.mark.exhaustive
@pytest.mark.timeout(300)
def test_the_judge_notices_a_checkpoint_that_anybody_may_move(postgres_database: str) -> None:
    place = postgres_database if "?" in postgres_database else f"{postgres_database}?application_name=race"
    ran = race(place, 1_000, 20, "unfenced")
    assert ran.returncode != 0, "a log without compare-and-set must be found out"
    assert "AssertionError" in ran.stderr
