"""The peer's own virtual environment, so that neither side's dependencies bend the other's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.worker import ROOT

PEER = "eventsourcing[postgres]==9.5.6"
DRIVER = "psycopg[binary,pool]>=3.3,<3.4"
"""The driver as we use it, in C: the peer's extra alone brings the pure Python one, which is slower."""


def peer_python(*, plain_driver: bool = False) -> Path:
    """The peer's interpreter, in ``.venv-peer``; makes and fills it if need be.

    ``plain_driver`` installs what its extra brings and no more, in ``.venv-peer-plain``; that needs libpq.
    """
    directory = ROOT / (".venv-peer-plain" if plain_driver else ".venv-peer")
    packages = [PEER] if plain_driver else [PEER, DRIVER]
    python = directory / "bin" / "python"
    stamp = directory / "installed"
    wanted = " ".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.write_text(wanted)
    return python
