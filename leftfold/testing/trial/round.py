"""One round: a fresh store, workers at it, faults; then quiet, and the verdict on all that happened."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import leftfold as lf
from leftfold.testing.trial.checker import check
from leftfold.testing.trial.checker.evidence import Violation
from leftfold.testing.trial.checker.final_log import check_tags, final_log
from leftfold.testing.trial.checker.tally import TrialTally, check_tally, tally
from leftfold.testing.trial.faults.faults import inject, settle
from leftfold.testing.trial.record.facts import registry
from leftfold.testing.trial.record.history import UNTIL, read_history
from leftfold.testing.trial.record.records import Head, History, PositionAnswer, StoredEvent
from leftfold.testing.trial.stage.hands import PATIENCE
from leftfold.testing.trial.stage.places import Place
from leftfold.testing.trial.stage.plan import Fault, Scale, plan_faults
from leftfold.testing.trial.stage.stage import Stage


@dataclass(frozen=True)
class Verdict:
    """What a round came to."""

    seed: str
    url: str
    directory: Path
    """Where the history is kept."""
    history: History
    final: list[StoredEvent]
    violations: list[Violation]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A log with a fault of its own, to see that it is found.

    ``in_workers`` is a ``module:function`` that each worker calls first, ``in_the_store`` is called with the URL of
    each new store.
    """

    in_workers: str | None = None
    in_the_store: Callable[[str], None] = lambda url: None


UNCHANGED = Mutant()


def run_round(place: Place, seed: str, scale: Scale, mutant: Mutant = UNCHANGED) -> Verdict:
    """Let it happen, and judge it."""
    directory = Path(tempfile.mkdtemp(prefix="leftfold-history-"))
    url = place.fresh(f"{seed.replace('/', '_')}_{uuid4().hex[:8]}")
    lf.connect(url, registry=registry).close()
    mutant.in_the_store(url)
    stage = Stage(place, url, directory, seed, scale, mutant.in_workers)
    try:
        troubles = _act(stage, plan_faults(seed, place.kinds, scale.seconds))
    finally:
        stage.close()
    final = final_log(url)
    history = read_history(directory, stage.followers)
    violations = [*troubles, *check(history, final, waits=place.waits), *check_tags(url, final)]
    if not violations:
        violations = _check_read_model(url, final)
    if not violations:
        place.drop(url)
    return Verdict(seed, url, directory, history, final, violations)


def _act(stage: Stage, faults: list[Fault]) -> list[Violation]:
    """Everything from the first process to the last; what went wrong with the processes themselves."""
    for hand in stage.hands:
        stage.start(hand)
    stuck = [hand.name for hand in stage.hands if not hand.hear("open")]
    if not stuck:
        _inject_all(stage, faults)
        stuck = _come_to_rest(stage)
    surprises = [surprise for hand in stage.hands for surprise in hand.surprises]
    found = [Violation("processes", trouble, ()) for trouble in [*surprises, *stage.troubles]]
    if stuck and not found:
        names = ", ".join(stuck)
        found.append(Violation("processes", f"still busy {PATIENCE:.0f} seconds after all faults: {names}", ()))
    return found


def _inject_all(stage: Stage, faults: list[Fault]) -> None:
    """Each at its moment, in a thread of its own; returns when all of them are over."""
    begin = time.monotonic()
    threads: list[threading.Thread] = []
    for fault in faults:
        time.sleep(max(0.0, begin + fault.at - time.monotonic()))
        if not all(hand.is_well for hand in stage.hands):
            break  # a process has died by itself: the round is lost, and what it shows is fresh
        threads.append(threading.Thread(target=inject, args=(stage, fault), daemon=True))
        threads[-1].start()
    else:
        time.sleep(max(0.0, begin + stage.scale.seconds - time.monotonic()))
    for thread in threads:
        thread.join()


def _come_to_rest(stage: Stage) -> list[str]:
    """Callers end, then followers follow to the end of the log; the names of workers that do not get there."""
    for proxy in stage.proxies.values():
        proxy.heal()
    for hand in stage.hands:
        hand.hear("open")
        hand.tell("quiet")
    deadline = time.monotonic() + PATIENCE
    stuck = [hand.name for hand in stage.hands if not hand.hear("quiet", deadline - time.monotonic())]
    if stuck:
        return stuck
    position = _last_head(stage)
    for hand in stage.hands:
        hand.tell(f"until {position}")
    deadline = time.monotonic() + PATIENCE
    late = [hand.name for hand in stage.hands if not hand.end(deadline - time.monotonic())]
    for slot in sorted(stage.proxies):
        settle(stage, slot, stage.hands[slot - 1].name)
    return late


def _last_head(stage: Stage) -> int:
    """The position that the followers must reach. Abandoned calls may still be on their way."""
    begin = time.monotonic_ns()
    number = stage.own_calls.call("the end", Head())
    with lf.connect(stage.url, registry=registry) as store:
        position = store.head()
    stage.own_calls.answer(number, PositionAnswer(position))
    stage.note(UNTIL, str(position), begin)
    return position


def _check_read_model(url: str, final: list[StoredEvent]) -> list[Violation]:
    with lf.connect(url, registry=registry) as store:
        store.projector([tally]).catch_up()
        return check_tally(store.view(TrialTally).find(limit=None), final)
