"""The code on the pages about projections, rebuilding and conditions runs as it stands there; the commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.processes import leftfold

PAGE = (Path(__file__).parent.parent / "docs" / "projections.md").read_text("utf-8")


def run(folder: Path, *arguments: str) -> str:
    ran = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_the_code_runs_and_the_commands_know_its_app(tmp_path: Path) -> None:
    blocks = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    (tmp_path / "shop.py").write_text("\n".join(blocks), "utf-8")
    assert run(tmp_path, "shop.py").splitlines() == [
        "Customer(customer_id='ann', total=Decimal('12.5000'), payments=1)",
        "Customer(customer_id='ann', total=Decimal('20.0000'), payments=2)",
    ]
    told = run(tmp_path, "-m", "leftfold", "status", "shop:app")
    assert "PaymentsByDay" in told
    assert "customers" in told


def test_the_page_about_conditions_keeps_what_it_promises(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "conditions.md").read_text("utf-8")
    [block] = re.findall(r"<!-- run -->\n```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "school.py").write_text(block, "utf-8")
    assert run(tmp_path, "school.py") == "logic is full\n"


def test_the_page_about_rebuilding_prints_what_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "rebuilding.md").read_text("utf-8")
    (tmp_path / "shop.py").write_text("\n".join(re.findall(r"<!-- run -->\n```python\n(.*?)```", page, re.DOTALL)))
    assert run(tmp_path, "shop.py") == "".join(re.findall(r"```text\n(.*?)```", page, re.DOTALL))


def test_every_command_on_these_pages_exists() -> None:
    pages = PAGE + (Path(__file__).parent.parent / "docs" / "rebuilding.md").read_text("utf-8")
    for command in sorted(set(re.findall(r"^\$ leftfold ((?:projections )?[a-z-]+)", pages, re.MULTILINE))):
        assert leftfold(*command.split(), "--help").returncode == 0, command
