"""A side of the comparison as a process: it takes measurements to make on stdin and prints figures, in JSON lines.

One process lives through the whole run, so that neither start-up nor imports are measured. Standard library only,
like `benchmarks.timing`.
"""

from __future__ import annotations

import gc
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Measure = Callable[..., Any]


def serve(measures: Mapping[str, Measure]) -> None:
    """Answer ``{"measure": name, "arguments": {…}}`` with ``{"result": …}`` or ``{"error": …}`` until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        gc.collect()
        try:
            answer = {"result": measures[asked["measure"]](**asked["arguments"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
