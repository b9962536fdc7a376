"""The signals of a process's followers, set when new events may have come."""

from __future__ import annotations

import threading

from leftfold.doors.protocol import Signal


class Wakeups:
    """A set of signals; any thread may join, leave and wake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signals: tuple[Signal, ...] = ()

    def join(self, signal: Signal) -> None:
        """Set this signal from now on."""
        with self._lock:
            self._signals = (*self._signals, signal)

    def leave(self, signal: Signal) -> None:
        """Do not set this signal any more; leaving twice is fine."""
        with self._lock:
            self._signals = tuple(other for other in self._signals if other is not signal)

    def wake(self) -> None:
        """Set every signal."""
        for signal in self._signals:
            signal.set()

    def __len__(self) -> int:
        return len(self._signals)
