"""Processes for tests, forked from one that has imported leftfold already: each begins at once.

A new interpreter spends most of a second importing, and the suite starts hundreds. These are as real: each has an
environment, an output and an exit code of its own, can be sent signals and can be killed.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from signal import Signals
from typing import Any, Self

from leftfold.ops.command.cli import main

PATIENCE = 60.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])

Outputs = tuple[Connection | Path, Connection | Path]


class Process:
    """``with Process(function, argument) as process:``, ended at the latest there; its output is read as it writes."""

    def __init__(self, function: Callable[..., object], *arguments: Any, **environment: str) -> None:
        with ExitStack() as ends:
            reading, writing = zip(
                *(map(ends.enter_context, _context.Pipe(duplex=False)) for _ in range(2)), strict=True
            )
            self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno())) for end in reading)
            self._process = _prepared(writing, function, arguments, environment)
            self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self.wait()
        self.stdout.close()
        self.stderr.close()
        self._process.close()

    def send(self, signal: Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal)

    def wait(self, seconds: float = PATIENCE) -> int:
        """How it ended: its exit code, or the signal's number below zero."""
        self._process.join(seconds)
        code: int | None = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return code


def run(function: Callable[..., object], *arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a function in a process of its own: how it ended, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        process = _prepared((stdout, stderr), function, arguments, environment)
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([function.__name__, *arguments], PATIENCE)
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


def leftfold(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a wide terminal."""
    return run(command, *arguments, COLUMNS="160", **environment)


def command(*arguments: str) -> None:
    """The command, for a process to run."""
    sys.argv = ["leftfold", *arguments]
    main()


def _prepared(
    outputs: Outputs, function: Callable[..., object], arguments: tuple[Any, ...], environment: dict[str, str]
) -> Any:
    surroundings = {**os.environ, **environment}
    return _context.Process(target=_call, args=(outputs, surroundings, os.getcwd(), function, arguments))


def _call(
    outputs: Outputs, environment: dict[str, str], folder: str, function: Callable[..., object], arguments: tuple[Any]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, output in enumerate(outputs, start=1):
        with output.open("wb") if isinstance(output, Path) else output as file:
            os.dup2(file.fileno(), number)
    function(*arguments)
