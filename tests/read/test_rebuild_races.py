"""Seeded races of old code, new code and people who rebuild and roll back, killed and stopped between any two steps.

``LEFTFOLD_RACES=100`` runs two hundred, a hundred on each back end, which takes some ten minutes. That the judge
notices who goes on writing after a swap shows ``python -m tests.read.rebuild_racing URL 0 100 unfenced``, which fails
sooner or later; how soon is up to the machine, so it is no test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = int(os.environ.get("LEFTFOLD_RACES", "2"))
"""On each back end."""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the stores of the races are made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}"
    database: str = request.getfixturevalue("postgres_database")
    return database if "?" in database else f"{database}?application_name=race"


def race(place: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.read.rebuild_racing", place, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
def test_the_rows_of_every_generation_are_always_the_fold_of_its_version(place: str) -> None:
    ran = race(place, 0, RUNS)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counts = {what: int(number.replace(",", "")) for number, what in re.findall(r"(\d[\d,]*) (\w+)", ran.stdout)}
    assert counts["killed"] > RUNS
    assert counts["swap"] >= RUNS
    assert counts["stopped"] > 0
    assert counts.get("rollback", 0) > RUNS // 10
