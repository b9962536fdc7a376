"""The files of a trial: every call is written down before it is made, every answer after it came.

One file of JSON lines for each process, and one for each follower; a line is one write, so that a kill never tears it
in the middle of the file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

import msgspec

from leftfold.testing.trial.record.records import (
    FOREVER,
    Answer,
    Call,
    Follower,
    Glimpse,
    History,
    Incident,
    Line,
    Operation,
    Unknown,
)


class Journal:
    """A file of lines that outlives the kill of its writer. Any thread may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = count(1)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, path.read_bytes().rfind(b"\n") + 1)  # what a killed writer did not finish
        self._encode = msgspec.json.Encoder().encode

    def call(self, caller: str, call: Call) -> int:
        """Write down that a call is about to be made; its number."""
        number = next(self._numbers)
        self.write(Line(time.monotonic_ns(), number, caller, call))
        return number

    def answer(self, number: int, answer: Answer) -> None:
        """Write down what came of it."""
        self.write(Line(time.monotonic_ns(), number, answer=answer))

    def write(self, line: Line | Glimpse | Incident) -> None:
        os.write(self._file, self._encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)


SETTLED = "settled"
CRASH = "crash"
UNTIL = "until"
BOOKKEEPING = (SETTLED, CRASH, UNTIL)
"""Incidents that are no faults, but what the checker is to know."""
Kind = TypeVar("Kind")


def lines(path: Path, kind: type[Kind]) -> Iterator[Kind]:
    """The finished lines of a file; the last one may have been torn by a kill, and then says nothing."""
    if not path.exists():
        return
    decode = msgspec.json.Decoder(kind).decode
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode(line)


def read_history(directory: Path, followers: Iterable[Follower]) -> History:
    """What was written into a directory: ``worker-*.jsonl``, ``follower-NAME.jsonl`` and ``incidents.jsonl``."""
    history = History(incidents=list(lines(directory / "incidents.jsonl", Incident)))
    history.until = max(
        (int(incident.target) for incident in history.incidents if incident.kind == UNTIL), default=FOREVER
    )
    for path in sorted(directory.glob("worker-*.jsonl")):
        history.operations += _operations(path)
    for follower in followers:
        found = list(lines(directory / f"follower-{follower.name}.jsonl", Glimpse))
        history.followers.append(Follower(follower.name, follower.query, found))
    _bound_unknown(history)
    return history


def _operations(path: Path) -> Iterable[Operation]:
    found: dict[int, Operation] = {}
    worker = path.stem.removeprefix("worker-")
    for line in lines(path, Line):
        if line.call is not None:
            found[line.number] = Operation(worker, line.number, line.caller, line.call, line.at)
        else:
            operation = found[line.number]
            operation.answer, operation.answered_at = line.answer, line.at
            if not isinstance(line.answer, Unknown) or line.answer.over:
                operation.ended_at = line.at
    return found.values()


def _bound_unknown(history: History) -> None:
    """Bound the calls whose outcome is unknown.

    Incidents of kind `SETTLED` tell when nothing of a dead worker was left at the server; those of kind `CRASH` ended
    every session, and with it whatever was left of calls that had been given up before.
    """
    settled = {incident.target: incident.until for incident in history.incidents if incident.kind == SETTLED}
    crashes = sorted((incident.at, incident.until) for incident in history.incidents if incident.kind == CRASH)
    for operation in history.operations:
        if operation.ended_at == FOREVER:
            later = [until for at, until in crashes if at >= operation.answered_at]
            operation.ended_at = min([settled.get(operation.worker, FOREVER), *later])
