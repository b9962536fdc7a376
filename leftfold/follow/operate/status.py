"""Where projections stand, as it is: against the real head, with the reason of whatever stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from leftfold.database.protocol import Database
from leftfold.events import moment
from leftfold.events.query_text import query_of_text
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedCount, ParkedEvents
from leftfold.follow.checkpoints.partition import Failure, Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.checkpoints.workers import WorkerRow, WorkerTable
from leftfold.log.contract import Log
from leftfold.log.select import Range

State = Literal["current", "behind", "paused", "failing", "orphaned", "refused", "inline", "building", "former"]
"""In words:

- ``current``: everything is applied, and a worker is there for what comes.
- ``behind``: a worker is at it.
- ``paused``: somebody has paused it.
- ``failing``: it stands still in front of an event that cannot be applied, or tries it again after a pause.
- ``orphaned``: nobody runs it, whether there is anything to do or not.
- ``refused``: workers are there that have it, and cannot run it: their code or the tables do not fit.
- ``inline``: appends maintain it.
- ``building``, ``former``: not the live rows.
"""

COUNTED = 100_000
"""How many events of lag are counted; more are told as more."""
LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ProcessorStatus:
    """One generation of a projection.

    ``position`` is up to where all of it is applied, ``head`` the log's horizon. ``lag_events`` counts the events that
    it is about between them, up to `COUNTED`; ``lag`` is for how long the first of these has been waiting. ``rate`` is
    in events a second, and ``time_left`` what that makes of the lag, None if nothing moves. ``reason`` says why it
    stands still, and ``remedy`` what to do.
    """

    name: str
    version: int
    role: Role
    state: State
    position: int
    head: int
    lag_events: int
    lag: timedelta
    rate: float
    time_left: timedelta | None
    owners: tuple[str, ...]
    parked: ParkedCount | None
    failures: tuple[Failure, ...]
    reason: str | None
    remedy: str | None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs a person: the health check fails when this is False of any live projection."""
        return self.state in ("current", "inline", "building", "former") or (
            self.state == "behind" and self.lag < timedelta(seconds=LATE_SECONDS)
        )


async def status_of(log: Log, database: Database, lease_seconds: float) -> list[ProcessorStatus]:
    """Every generation of every projection in a database, by name. Needs no code of the projections."""
    head = await log.head()
    async with database.connection() as connection:
        generations = await Generations(database).all(connection)
        partitions = await Partitions(database).all(connection)
        members = await WorkerTable(database).all(connection, lease_seconds)
        aside = await ParkedEvents(database).count(connection)
    found = []
    for one in generations:
        parts = [part for part in partitions if (part.name, part.generation) == (one.name, one.number)]
        position = min((part.position for part in parts), default=0)
        count, since = (0, None) if one.mode == "inline" else await _lag(log, one, position, head)
        found.append(judge(one, parts, members, aside.get((one.name, one.number)), head, count, since))
    return found


def judge(
    generation: Generation,
    parts: Sequence[Partition],
    members: Sequence[WorkerRow],
    parked: ParkedCount | None,
    head: int,
    lag_events: int,
    waiting_since: datetime | None,
) -> ProcessorStatus:
    """A pure judgement of what was found."""
    position = head if generation.mode == "inline" else min((part.position for part in parts), default=0)
    lag = max(timedelta(0), datetime.now(UTC) - waiting_since) if waiting_since is not None else timedelta(0)
    rate = sum(part.rate for part in parts)
    failures = tuple(part.failure for part in parts if part.failure is not None)
    owners = tuple(sorted({part.owner for part in parts if part.leased and part.owner is not None}))
    state, reason, remedy = _state(generation, parts, members, failures, lag_events)
    moving = state in ("behind", "building") and rate > 0 and lag_events
    return ProcessorStatus(
        generation.name,
        generation.version,
        generation.role,
        state,
        position,
        head,
        lag_events,
        lag,
        rate,
        timedelta(seconds=lag_events / rate) if moving else None,
        owners,
        parked,
        failures,
        reason,
        remedy,
    )


def _state(
    generation: Generation,
    parts: Sequence[Partition],
    members: Sequence[WorkerRow],
    failures: Sequence[Failure],
    lag_events: int,
) -> tuple[State, str | None, str | None]:
    name = generation.name
    if generation.role == "former":
        return "former", None, None
    if generation.role == "shadow":
        return "building", *_of_building(name, parts, failures)
    if generation.mode == "inline":
        return "inline", None, None
    if generation.paused is not None:
        by = generation.paused
        return "paused", f"paused by {by.who} at {_when(by.at)}: {by.why}", f"leftfold resume module:app {name}"
    if failures:
        first = min(failures, key=lambda one: one.position)
        again = "" if first.retry_at is None else f"; tried again at {_when(first.retry_at)}"
        reason = (
            f"event {first.type!r} of {first.stream!r} at position {first.position} failed, "
            f"{first.attempts} {'time' if first.attempts == 1 else 'times'}{again}: {first.error}"
        )
        remedy = f"correct what is wrong, then leftfold retry module:app {name} (or leftfold skip module:app {name} …)"
        return "failing", reason, remedy
    refusals = {one.id: refusal for one in members if one.lives and (refusal := one.serves.get(name)) is not None}
    runs = any(one.lives and name in one.serves and one.serves[name] is None for one in members)
    if generation.rebuild is not None and not runs:
        return "orphaned", f"it is to be rebuilt: {generation.rebuild}", "run a worker: leftfold run module:app"
    if all(part.leased for part in parts) and parts:
        return ("behind" if lag_events else "current"), None, None
    if refusals and not runs:
        worker, refusal = next(iter(refusals.items()))
        return "refused", f"worker {worker}: {refusal}", "do what it says, or run a worker whose code fits"
    if runs:
        return ("behind" if lag_events else "current"), "a worker is about to take it over", None
    dead = [one for one in members if not one.lives and name in one.serves]
    if dead:
        last = max(dead, key=lambda one: one.seen_at)
        return "orphaned", f"its worker {last.id} was last seen at {_when(last.seen_at)}", _RUN
    return "orphaned", "no worker runs it", _RUN


def _of_building(name: str, parts: Sequence[Partition], failures: Sequence[Failure]) -> tuple[str | None, str | None]:
    """Why what is being built stands still, and what to do."""
    again = f"leftfold projections rebuild module:app {name} goes on, abandon drops it"
    if failures:
        first = min(failures, key=lambda one: one.position)
        return f"event {first.type!r} of {first.stream!r} at position {first.position} failed: {first.error}", again
    return (None, None) if any(one.leased for one in parts) else ("nobody is at it", again)


_RUN = "run one: leftfold run module:app"


async def _lag(log: Log, generation: Generation, position: int, head: int) -> tuple[int, datetime | None]:
    """How many events it has not applied yet, and since when the first of them has been there."""
    if position >= head:
        return 0, None
    query = query_of_text(generation.query) if generation.query != "{}" else None
    if query is None:
        return head - position, None
    first = await log.read_log_page(query, Range(position, head, 1))
    if not first:
        return 0, None
    return await log.count(query, position, head, COUNTED), first[0].recorded_at


def _when(text: str) -> str:
    return f"{moment.from_stored(text):%Y-%m-%d %H:%M:%S} UTC"
