"""The asking end of `benchmarks.serving`: a side of the comparison, running in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


class MeasureFailed(Exception):
    """A side could not make a measurement; the text is its traceback."""


class Worker:
    """``with Worker(python, "benchmarks.ours") as ours: ours.ask("append", url=…)``"""

    def __init__(self, python: Path, module: str) -> None:
        self._command = [str(python), "-m", module]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def ask(self, measure: str, **arguments: Any) -> Any:
        """What the side answers; `MeasureFailed` if it cannot."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise MeasureFailed(f"{' '.join(self._command)} is not running: use it in a with block")
        process.stdin.write(json.dumps({"measure": measure, "arguments": arguments}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise MeasureFailed(f"{' '.join(self._command)} ended with exit code {process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise MeasureFailed(f"{measure} in {' '.join(self._command)}:\n{answer['error']}")
        return answer["result"]
