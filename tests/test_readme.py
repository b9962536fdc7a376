"""The README's first example, pasted into a fresh folder, runs as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_first_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    example = README.partition("<!-- first example")[2]
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", example, re.DOTALL)[:2]
    (tmp_path / "bank.py").write_text(code, "utf-8")
    command = [sys.executable, "bank.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == (printed, "")


def test_every_relative_link_leads_somewhere() -> None:
    folder = Path(__file__).parent.parent
    for page in [folder / "README.md", folder / "CONTRIBUTING.md", *sorted((folder / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
