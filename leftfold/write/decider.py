"""Deciders: the same command side as plain functions. Named and shaped by Jérémie Chassaing's Decider pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from leftfold.events.stream import check_category
from leftfold.write.aggregate import check_snapshot_every

State = TypeVar("State")
Command = TypeVar("Command")
Happened = TypeVar("Happened")


@dataclass(frozen=True, slots=True)
class Decider(Generic[State, Command, Happened]):
    """Three pure functions and a category.

    ``initial()`` is the state before anything happened, and ``evolve(state, event)`` folds an event in.
    ``decide(command, state)`` returns the event, the events, or None, that follow from a command; it raises to refuse.
    The types are inferred. Only where decide returns an event of a union does mypy need them
    (``account: lf.Decider[State, Command, AccountEvent] = lf.Decider(…)``).
    ``snapshot_every`` and ``state_version`` mean the same as for an `Aggregate`.
    """

    category: str
    initial: Callable[[], State]
    evolve: Callable[[State, Happened], State]
    decide: Callable[[Command, State], Happened | Iterable[Happened] | None]
    snapshot_every: int | None = None
    state_version: int = 1

    def __post_init__(self) -> None:
        check_category(self.category)
        check_snapshot_every(self.category, self.snapshot_every)


def as_list(decided: Happened | Iterable[Happened] | None) -> list[Happened]:
    """The decided events, as a list. An event that is no list, tuple or generator stands for itself."""
    if isinstance(decided, (list, tuple, Iterator)):
        return list(decided)
    return [] if decided is None else [cast("Happened", decided)]
