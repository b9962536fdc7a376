"""The progress of a rebuild: how fast it goes, and how long it will still take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

_WINDOW_SECONDS = 10.0

Phase = Literal["building", "comparing", "swapping"]


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """How far a rebuild has come: ``done`` of ``total`` positions of the log, ``rate`` of them a second, lately.

    Positions stand for events: there are hardly more of them. ``seconds_left`` is None before there is a rate.
    """

    projection: str
    phase: Phase
    done: int
    total: int
    rate: float
    seconds_left: float | None


class Pace:
    """The rate over the last ten seconds, from numbers that are noted now and then."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, int]] = deque()

    def note(self, now: float, done: int) -> float:
        """Note how much is done by now; the rate a second."""
        while len(self._noted) > 1 and self._noted[1][0] <= now - _WINDOW_SECONDS:
            self._noted.popleft()
        self._noted.append((now, done))
        then, before = self._noted[0]
        return (done - before) / (now - then) if now > then else 0.0


def progress(projection: str, phase: Phase, done: int, total: int, rate: float) -> RebuildProgress:
    """A `RebuildProgress` with the time left."""
    left = max(0, total - done)
    return RebuildProgress(projection, phase, min(done, total), total, rate, left / rate if rate > 0 else None)
