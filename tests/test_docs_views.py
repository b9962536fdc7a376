"""docs/views.md, from its first line to its last, prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parent.parent / "docs" / "views.md").read_text("utf-8")
EXAMPLE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
BETWEEN = "the next example"


def test_the_examples_print_what_the_page_says(tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE)
    assert len(examples) == PAGE.count("```python") == 8
    assert sum(bool(printed) for _, printed in examples) == PAGE.count("```text")
    (tmp_path / "page.py").write_text("".join(f"{code}\nprint({BETWEEN!r})\n" for code, _ in examples), "utf-8")
    ran = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.stdout.split(f"{BETWEEN}\n") == [*(printed for _, printed in examples), ""]
