"""What a trial is going to do, all of it from the seed: how many workers and followers, and which fault when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from leftfold.testing.trial.record.records import EVERYTHING, Criterion, Query
from leftfold.testing.trial.workload.worker import DOORS, FollowerSetting

Kind = str
"""A fault, in words: ``kill worker``."""

HEAVY: dict[Kind, float] = {"kill server": 5.0, "kill back end": 4.0, "kill worker": 1.2}
"""Faults that stop everything: at most one in so many seconds, so that something happens in between."""
OFTEN: dict[Kind, int] = {
    "slow transaction": 4,
    "cut reply": 4,
    "cut request": 2,
    "terminate back end": 2,
    "disk full": 2,
    "disk error": 2,
}
BETWEEN_SECONDS = 0.25
QUERIES: tuple[Query, ...] = (
    EVERYTHING,
    (Criterion(("trial.remarked",)),),
    (Criterion((), ("colour:1",)),),
    EVERYTHING,
    (Criterion((), (), "account"), Criterion(("trial.claimed",))),
    (Criterion(("trial.noted",), ("colour:2",), "remark"),),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: ``callers`` at each of the two doors of a worker, ``seconds`` of faults in a round."""

    workers: int = 3
    callers: int = 5
    followers: int = 2
    seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens when, in seconds; ``chance`` is a seed for everything else about it."""

    at: float
    kind: Kind
    chance: str


def plan_faults(seed: str, kinds: Sequence[Kind], seconds: float) -> list[Fault]:
    """The faults of a round."""
    chance = random.Random(f"{seed}/faults")
    weights = [OFTEN.get(kind, 1) for kind in kinds]
    last: dict[Kind, float] = {}
    faults: list[Fault] = []
    at = 0.0
    while kinds and (at := at + chance.expovariate(1 / BETWEEN_SECONDS)) < seconds:
        [kind] = chance.choices(kinds, weights)
        if at - last.get(kind, -HEAVY.get(kind, 0) / 2) >= HEAVY.get(kind, 0):
            last[kind] = at
            faults.append(Fault(at, kind, f"{seed}/fault/{len(faults)}"))
    return faults


def plan_followers(slot: int, count: int) -> tuple[FollowerSetting, ...]:
    """The followers of a worker: queries of every shape, through either door in turn."""
    return tuple(
        FollowerSetting(f"{slot}-{number}", DOORS[number % 2], QUERIES[(slot * count + number) % len(QUERIES)])
        for number in range(count)
    )
