"""The idea: current state is a left fold over what happened.

An aggregate is a fold over a stream. A read model is a keyed fold over the log. A snapshot is a remembered fold; time
travel is a fold that stops early. Everything else in this package fetches events, keeps them, or remembers results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

State = TypeVar("State")
Happened = TypeVar("Happened")


@dataclass(frozen=True, slots=True)
class Fold(Generic[State, Happened]):
    """An initial state and how one event changes it. Pure: no I/O, no clock, no refusal.

    ``initial`` makes a fresh state; ``evolve(state, event)`` returns the next state. A mutable state may be changed in
    place and returned: each run starts from its own ``initial()``.
    """

    initial: Callable[[], State]
    evolve: Callable[[State, Happened], State]

    def run(self, events: Iterable[Happened]) -> State:
        """The state after ``events``, from nothing."""
        return self.resume(self.initial(), events)

    def resume(self, state: State, events: Iterable[Happened]) -> State:
        """The state after ``events``, from a state remembered earlier (a snapshot, a row, the page before)."""
        return reduce(self.evolve, events, state)
