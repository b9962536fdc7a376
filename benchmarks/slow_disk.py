"""A disk on which a flush takes longer: as long as without a cache that survives a power cut.

Concurrent callers share a flush, so the gain depends on the time that a flush takes. The delay is in a small C library
that is loaded into everything that the benchmark starts: workers, server and pgbench.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_LIBRARY = "leftfold_slow_disk.so"
_MILLISECONDS = "LEFTFOLD_FLUSH_MS"


def added_milliseconds() -> float:
    """By how much each flush of this process is delayed."""
    is_loaded = _LIBRARY in os.environ.get("LD_PRELOAD", "")
    return float(os.environ[_MILLISECONDS]) if is_loaded else 0.0


def run_on_slow_disk(milliseconds: float) -> int:
    """Run this program again, its flushes delayed; its exit code."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or not compiler:
        sys.exit("--flush-ms needs Linux and a C compiler, `cc` (Debian's package gcc), which delays the flushes")
    with tempfile.TemporaryDirectory(prefix="leftfold-slow-disk-") as directory:
        library = Path(directory) / _LIBRARY
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"], check=True)
        for path in (directory, library):
            os.chmod(path, 0o755)  # the server may run as another user
        others = os.environ.get("LD_PRELOAD", "").split()
        delayed = {"LD_PRELOAD": " ".join([str(library), *others]), _MILLISECONDS: str(milliseconds)}
        command = [sys.executable, "-m", "benchmarks", *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, **delayed}).returncode


def flush_milliseconds(directory: Path, times: int = 50) -> float:
    """What a flush of 8 KB takes there, the median of so many."""
    taken = []
    flush = getattr(os, "fdatasync", os.fsync)
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(times):
            file.write(bytes(8192))
            file.flush()
            started = time.perf_counter()
            flush(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000
