"""Short trials: nothing is found in the log as it is, the command says so, and a plan depends on its seed alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import leftfold as lf
from leftfold.testing.postgres import Postgres
from leftfold.testing.trial.stage.places import OwnPostgres, SqliteFiles, place_at
from leftfold.testing.trial.stage.plan import plan_faults
from tests.processes import leftfold


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leftfold", "verify", "--seed", "1", "--workers", "2", *arguments]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=200)


@pytest.mark.exhaustive
@pytest.mark.parametrize("place", ["sqlite", "postgresql"])
def test_a_short_trial_finds_nothing_and_tells_what_it_did(place: str) -> None:
    ran = verify("--url", place, "--minutes", "0.1")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("a trial of the log, seed 1, on ")
    assert lines[-1] == "✓ no promise was broken"
    told = {
        words[1]: int(words[0].replace(",", ""))
        for line in lines
        if len(words := line.split()) >= 2 and words[0][0].isdigit()
    }
    assert told["append"] > 100
    assert told["read"] > 20
    assert told["kill" if place == "sqlite" else "cut"] > 0
    print("\n" + ran.stdout)


@pytest.mark.exhaustive
def test_a_trial_on_a_server_of_somebody_elses_leaves_its_processes_alone(postgres: Postgres) -> None:
    url = postgres.create_database()
    ran = verify("--url", url, "--minutes", "0.05")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "not injected, since the server is not its own: kill back end, pause back end, kill server" in (
        ran.stdout.replace("\n", " ")
    )
    with lf.connect(url) as store:
        assert store.head() == 0, "it takes a schema of its own"


def test_a_file_that_exists_is_not_tried_on(tmp_path: Path) -> None:
    lf.connect(f"sqlite:///{tmp_path}/bank.db").close()
    ran = leftfold("verify", "--url", f"sqlite:///{tmp_path}/bank.db")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: {tmp_path}/bank.db exists")
    assert place_at(f"sqlite:///{tmp_path}/new.db").description.startswith("SQLite files beside")


def test_the_plan_of_faults_comes_from_the_seed_and_uses_every_kind() -> None:
    for kinds in (OwnPostgres.kinds, SqliteFiles.kinds):
        plan = plan_faults("7/1", kinds, 60)
        assert plan == plan_faults("7/1", kinds, 60)
        assert plan != plan_faults("7/2", kinds, 60)
        assert {fault.kind for fault in plan} == set(kinds)
        assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
        assert plan[-1].at < 60
