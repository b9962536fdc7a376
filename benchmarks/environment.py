"""The peer's own virtual environment, so that neither side's dependencies bend the other's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.worker import ROOT

PEER = "eventsourcing[postgres]==9.5.6"
SAME_DRIVER = "psycopg[binary,pool]>=3.3,<3.4"
"""The driver as we use it, in C; the peer's own extra brings the Python driver, which is slower and needs libpq."""


def peer_python(*, same_driver: bool = False) -> Path:
    """The peer's interpreter, in ``.venv-peer``; makes and fills it if need be.

    It is installed as its documentation says; ``same_driver`` adds ours, in ``.venv-peer-binary``. Where there is no
    libpq for its own, ours is added too: the table's last lines tell which it was.
    """
    directory = ROOT / (".venv-peer-binary" if same_driver else ".venv-peer")
    packages = [PEER, SAME_DRIVER] if same_driver else [PEER]
    python = directory / "bin" / "python"
    stamp = directory / "installed"
    wanted = " ".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        _install(python, packages)
        if subprocess.run([python, "-c", "import psycopg"], check=False, capture_output=True).returncode:
            _install(python, [SAME_DRIVER])
        stamp.write_text(wanted)
    return python


def _install(python: Path, packages: list[str]) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
