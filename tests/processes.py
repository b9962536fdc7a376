"""Processes for tests, forked from one that has imported leftfold already: each begins at once.

A new interpreter spends most of a second importing, and the suite starts hundreds. These are as real: each has an
output and an exit code of its own, and can be killed.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

from leftfold.ops.cli import main

PATIENCE = 60.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class Started:
    """A process that calls a function; ``stdout`` is read as it writes."""

    def __init__(self, function: Callable[..., object], *arguments: Any) -> None:
        reading, writing = _context.Pipe(duplex=False)
        with reading, writing:
            self.stdout: TextIO = os.fdopen(os.dup(reading.fileno()))
            self._process = _context.Process(target=_call_into, args=(writing, function, arguments))
            self._process.start()

    def kill(self) -> None:
        """SIGKILL; what it had written can still be read."""
        self._process.kill()

    def end(self) -> None:
        """Wait until it is gone, and forget it."""
        self.stdout.close()
        self._process.join(PATIENCE)
        self._process.close()


def run(
    function: Callable[..., object], *arguments: Any, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call a function in a process of its own: how it ended, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        surroundings = ({**os.environ, **(environment or {})}, os.getcwd())
        process = _context.Process(target=_call_apart, args=(stdout, stderr, surroundings, function, arguments))
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([function.__name__, *arguments], PATIENCE)
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


def leftfold(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a wide terminal."""
    return run(_command, *arguments, environment={"COLUMNS": "160"})


def _command(*arguments: str) -> None:
    sys.argv = ["leftfold", *arguments]
    main()


def _call_into(writing: Connection, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    os.dup2(writing.fileno(), 1)
    writing.close()
    function(*arguments)


def _call_apart(
    stdout: Path,
    stderr: Path,
    surroundings: tuple[dict[str, str], str],
    function: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    environment, folder = surroundings
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, stdout), (2, stderr)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    function(*arguments)
