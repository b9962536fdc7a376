"""The trial: round after round until the time is up or a promise is broken; and the totals."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from leftfold.testing.trial.record.history import BOOKKEEPING
from leftfold.testing.trial.round import UNCHANGED, Mutant, Verdict, run_round
from leftfold.testing.trial.stage.places import Place
from leftfold.testing.trial.stage.plan import Scale

LEAST_ROUND_SECONDS = 3.0


@dataclass
class Totals:
    """How much was done, over all rounds."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind of call and kind of answer, both as they are written in the history."""
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    read: int = 0
    """Events that reads returned."""
    followed: int = 0
    """Events that followers saw."""
    subscriptions: int = 0
    rounds: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a round."""
        history = verdict.history
        for operation in history.operations:
            self.calls[_tag(operation.call), _tag(operation.outcome)] += 1
            self.read += len(getattr(operation.answer, "events", ()))
        self.faults.update(incident.kind for incident in history.incidents if incident.kind not in BOOKKEEPING)
        glimpses = [glimpse for follower in history.followers for glimpse in follower.glimpses]
        self.followed += sum(len(glimpse.saw) for glimpse in glimpses)
        self.subscriptions += sum(glimpse.began is not None for glimpse in glimpses)
        self.events += len(verdict.final)
        self.rounds += 1


def _tag(record: msgspec.Struct) -> str:
    return str(type(record).__struct_config__.tag)


def run_trial(
    place: Place,
    seed: int,
    minutes: float,
    scale: Scale,
    on_verdict: Callable[[Verdict], None],
    mutant: Mutant = UNCHANGED,
) -> tuple[Totals, Verdict]:
    """Rounds until the time is up or one of them is not clean: everything counted, and the last verdict.

    Each round has a fresh store and the seed ``SEED/ROUND``; ``on_verdict`` is called with each verdict. The
    history of a clean round is removed.
    """
    totals = Totals()
    deadline = time.monotonic() + 60 * minutes
    number = 0
    while True:
        number += 1
        left = max(LEAST_ROUND_SECONDS, min(scale.seconds, deadline - time.monotonic()))
        part = Scale(scale.workers, scale.callers, scale.followers, left)
        verdict = run_round(place, f"{seed}/{number}", part, mutant)
        totals.add(verdict)
        on_verdict(verdict)
        if not verdict.violations:
            shutil.rmtree(verdict.directory)
        if verdict.violations or time.monotonic() + LEAST_ROUND_SECONDS > deadline:
            return totals, verdict
