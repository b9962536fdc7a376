"""The state of a generation, with reason and remedy: the first rule that applies decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leftfold.events import moment
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.partition import Failure, Partition
from leftfold.follow.checkpoints.workers import WorkerRow

State = Literal["current", "behind", "paused", "failing", "orphaned", "refused", "inline", "building", "former"]
"""In words:

- ``current``: everything is applied, and a worker is there for what comes.
- ``behind``: a worker is at it.
- ``paused``: a person has paused it.
- ``failing``: it stands still in front of an event that cannot be applied, or tries it again after a pause.
- ``orphaned``: no worker runs it, whether there is anything to do or not.
- ``refused``: workers are there that have it, and cannot run it: their code or the tables do not fit.
- ``inline``: appends maintain it.
- ``building``, ``former``: not the live generation.
"""

Verdict = tuple[State, str | None, str | None]
"""State, reason and remedy."""

_RUN = "run one: leftfold run module:app"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found of a generation: its partitions, all workers, and how many events are not applied yet."""

    generation: Generation
    partitions: Sequence[Partition]
    workers: Sequence[WorkerRow]
    lag_events: int

    @property
    def name(self) -> str:
        """The processor's name."""
        return self.generation.name

    @property
    def failures(self) -> tuple[Failure, ...]:
        """In front of which events partitions stand still."""
        return tuple(partition.failure for partition in self.partitions if partition.failure is not None)

    @property
    def is_run(self) -> bool:
        """Whether a living worker runs it."""
        name = self.generation.name
        return any(worker.lives and name in worker.serves and worker.serves[name] is None for worker in self.workers)

    @property
    def refusals(self) -> dict[str, str]:
        """Why living workers that have its code do not run it, by worker."""
        found = {worker.id: worker.serves.get(self.generation.name) for worker in self.workers if worker.lives}
        return {worker: refusal for worker, refusal in found.items() if refusal is not None}


def state_of(facts: Facts) -> Verdict:
    """The verdict of the first rule that applies. The last one always does."""
    return next(verdict for rule in _RULES if (verdict := rule(facts)) is not None)


def _former(facts: Facts) -> Verdict | None:
    return ("former", None, None) if facts.generation.role == "former" else None


def _building(facts: Facts) -> Verdict | None:
    if facts.generation.role != "shadow":
        return None
    remedy = f"leftfold projections rebuild module:app {facts.name} goes on, abandon drops it"
    if facts.failures:
        failure = _first(facts.failures)
        return "building", f"{_event(failure)} failed: {failure.error}", remedy
    if any(partition.leased for partition in facts.partitions):
        return "building", None, None
    return "building", "no rebuild or worker is at it", remedy


def _inline(facts: Facts) -> Verdict | None:
    return ("inline", None, None) if facts.generation.mode == "inline" else None


def _paused(facts: Facts) -> Verdict | None:
    paused = facts.generation.paused
    if paused is None:
        return None
    reason = f"paused by {paused.who} at {_when(paused.at)}: {paused.why}"
    return "paused", reason, f"leftfold resume module:app {facts.name}"


def _failing(facts: Facts) -> Verdict | None:
    if not facts.failures:
        return None
    failure, name = _first(facts.failures), facts.name
    times = f"{failure.attempts} {'time' if failure.attempts == 1 else 'times'}"
    again = "" if failure.retry_at is None else f"; tried again at {_when(failure.retry_at)}"
    return (
        "failing",
        f"{_event(failure)} failed, {times}{again}: {failure.error}",
        f"correct what is wrong, then leftfold retry module:app {name} (or leftfold skip module:app {name} …)",
    )


def _marked(facts: Facts) -> Verdict | None:
    if facts.generation.rebuild is None or facts.is_run:
        return None
    return "orphaned", f"it is to be rebuilt: {facts.generation.rebuild}", "run a worker: leftfold run module:app"


def _leased(facts: Facts) -> Verdict | None:
    if not facts.partitions or not all(partition.leased for partition in facts.partitions):
        return None
    return _progress(facts), None, None


def _refused(facts: Facts) -> Verdict | None:
    if facts.is_run or not facts.refusals:
        return None
    worker, refusal = next(iter(facts.refusals.items()))
    return "refused", f"worker {worker}: {refusal}", "do what it says, or run a worker whose code fits"


def _about_to_be_leased(facts: Facts) -> Verdict | None:
    return (_progress(facts), "a worker is about to take it over", None) if facts.is_run else None


def _dead(facts: Facts) -> Verdict | None:
    dead = [worker for worker in facts.workers if not worker.lives and facts.name in worker.serves]
    if not dead:
        return None
    last = max(dead, key=lambda worker: worker.seen_at)
    return "orphaned", f"its worker {last.id} was last seen at {_when(last.seen_at)}", _RUN


def _orphaned(facts: Facts) -> Verdict | None:
    return "orphaned", "no worker runs it", _RUN


_RULES = (
    _former, _building, _inline, _paused, _failing, _marked, _leased, _refused, _about_to_be_leased, _dead, _orphaned,
)  # fmt: skip


def _progress(facts: Facts) -> State:
    return "behind" if facts.lag_events else "current"


def _first(failures: Sequence[Failure]) -> Failure:
    return min(failures, key=lambda failure: failure.position)


def _event(failure: Failure) -> str:
    return f"event {failure.type!r} of {failure.stream!r} at position {failure.position}"


def _when(text: str) -> str:
    return f"{moment.from_stored(text):%Y-%m-%d %H:%M:%S} UTC"
