"""The wheel, alone in an empty environment, has everything: the command, the demo and the README's first example."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT

import pytest

from tests.readme import ROOT, commands, run_example_twice

pytestmark = pytest.mark.exhaustive

PATIENCE = 60.0
ENDLESS = {"run": "running account_summary", "tail": "AccountOpened"}
"""The commands that go on until Ctrl-C, and what they show before."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this repository, built as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    checked(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    [built] = folder.glob("leftfold-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment with the wheel and what it depends on. The package index must be reachable."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    checked(str(folder / "bin" / "python"), "-m", "pip", "install", str(wheel))
    return folder / "bin"


def test_the_wheel_installs_leftfold_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert sorted({name.partition("/")[0] for name in names}) == [
        "leftfold",
        f"leftfold-{wheel.name.split('-')[1]}.dist-info",
    ]
    assert "leftfold/py.typed" in names
    assert any(name.endswith(".sql") for name in names)


def test_neither_the_repository_nor_an_extra_is_within_reach(environment: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print(*[name for name in %r if u.find_spec(name)])"
    names = ["leftfold", "examples", "tests", "benchmarks", "psycopg", "pytest"]
    assert checked(str(environment / "python"), "-c", code % names, folder=tmp_path) == "leftfold\n"


def test_the_demo_runs_from_the_wheel_alone(environment: Path, tmp_path: Path) -> None:
    shown = checked(str(environment / "leftfold"), "demo", folder=tmp_path)
    assert "8 acts on a real database" in shown
    again = checked(str(environment / "leftfold"), "demo", "--url", "sqlite:///bank.db", folder=tmp_path)
    assert "The events are still there" in again


def test_the_first_example_and_its_commands_work_from_the_wheel_alone(environment: Path, tmp_path: Path) -> None:
    run_example_twice(environment / "python", tmp_path)
    program = str(environment / "leftfold")
    for command in commands_without_a_server():
        if command[0] in ENDLESS:
            interrupt(program, *command, folder=tmp_path, after=ENDLESS[command[0]])
        else:
            assert checked(program, *command, folder=tmp_path)


def commands_without_a_server() -> Iterator[list[str]]:
    """The README's, on a URL where a server is named. The trial takes minutes and has tests of its own."""
    for command in commands():
        if command[0] != "verify":
            yield ["postgresql://user@host/database" if word.startswith("postgresql:") else word for word in command]


def interrupt(*command: str, folder: Path, after: str) -> None:
    """Press Ctrl-C once a command has shown that text; it must end in order."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=surroundings()
    ) as process:
        assert process.stdout
        shown = next((line for line in process.stdout if after in line), None)
        process.send_signal(SIGINT)
        rest = process.stdout.read()
        code = process.wait(PATIENCE)
    assert shown, rest
    assert code in (0, 130), rest


def checked(*command: str, folder: Path | None = None) -> str:
    """What a command prints; it must succeed."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=surroundings())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def surroundings() -> dict[str, str]:
    """The environment variables, without those through which Python would find the repository."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"PYTHONUNBUFFERED": "1"}
