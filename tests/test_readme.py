"""The README's first example runs twice as printed in a fresh folder; its figures, commands and links are right."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.readme import README, ROOT, commands, run_example_twice


def test_the_first_example_prints_what_the_readme_says_and_runs_again(tmp_path: Path) -> None:
    run_example_twice(Path(sys.executable), tmp_path)


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 150


def test_every_ratio_of_the_readme_stands_in_the_table_of_the_benchmarks() -> None:
    ratios: dict[str, list[str]] = {}
    for line in (ROOT / "docs" / "benchmarks.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 7:
            ratios.setdefault(cells[0], []).append(cells[3])
    table = README.partition("## How fast")[2]
    rows = re.findall(r"^\| (.*?) \| (\S+) \| (\S+) \|$", table, re.MULTILINE)
    figures = [row for row in rows if row[1] != "PostgreSQL"]
    assert len(figures) == 5
    for name, postgresql, sqlite in figures:
        assert ratios[name] == [postgresql, sqlite], name


def test_the_readme_names_commands_for_its_own_example() -> None:
    targets = {word for command in commands() for word in command if ":" in word and "postgresql" not in word}
    assert targets == {"sqlite:///bank.db", "bank:app"}


def test_every_relative_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()
