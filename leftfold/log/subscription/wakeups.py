"""Who waits for new events in this process: the signals of its followers, set when something may have come."""

from __future__ import annotations

import threading

from leftfold.doors.protocol import Signal


class Wakeups:
    """A set of signals; any thread may join, leave and wake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signals: tuple[Signal, ...] = ()

    def join(self, signal: Signal) -> None:
        """Be woken from now on."""
        with self._lock:
            self._signals = (*self._signals, signal)

    def leave(self, signal: Signal) -> None:
        """Be woken no more; leaving twice is fine."""
        with self._lock:
            self._signals = tuple(one for one in self._signals if one is not signal)

    def wake(self) -> None:
        """Tell everybody that something may have come."""
        for signal in self._signals:
            signal.set()

    def __len__(self) -> int:
        return len(self._signals)
