"""The peer's own virtual environment, so that neither side's dependencies bend the other's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.worker import ROOT

PEER = "eventsourcing[postgres]==9.5.6"
DRIVER = "psycopg[binary,pool]>=3.3,<3.4"
"""The driver as we use it, in C: the peer's extra alone brings the pure Python one, which is slower."""


def peer_python() -> Path:
    """The peer's interpreter, in ``.venv-peer``; makes and fills it if need be."""
    directory = ROOT / ".venv-peer"
    python = directory / "bin" / "python"
    stamp = directory / "installed"
    wanted = f"{PEER} {DRIVER}"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER, DRIVER], check=True)
        stamp.write_text(wanted)
    return python
