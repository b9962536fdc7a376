"""The README as data: the code of its first example, what both runs of it print, and the commands of its block."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def first_example() -> str:
    return _block("python", "## The first example")


def first_run() -> str:
    """What the README says that the first run prints."""
    return _block("console", "## The first example").removeprefix("$ python bank.py\n")


def second_run() -> tuple[str, int]:
    """What the README says of the second run: its first line, and the number of events that it lists."""
    said = re.search(r"A second run .*?: `(.*?)`, after (\d+) events", README, re.DOTALL)
    assert said, "the README says nothing of a second run"
    return said[1], int(said[2])


def commands() -> list[list[str]]:
    """The arguments of every ``leftfold`` in the block, without its comment."""
    block = _block("console", "## At the command line")
    return [line.partition("#")[0].split()[2:] for line in block.splitlines()]


def run_example_twice(python: Path, folder: Path) -> None:
    """Paste it into a fresh folder, run it there with that interpreter, and compare."""
    (folder / "bank.py").write_text(first_example(), "utf-8")
    assert _printed(python, folder) == first_run()
    lines = _printed(python, folder).splitlines()
    assert (lines[0], sum(line[0].isdigit() for line in lines)) == second_run()


def _printed(python: Path, folder: Path) -> str:
    ran = subprocess.run([python, "bank.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def _block(language: str, heading: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.partition(heading)[2], re.DOTALL)
    assert found, f"the README has no {language} under {heading!r}"
    return found[1]
