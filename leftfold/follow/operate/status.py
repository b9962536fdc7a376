"""The status of processors: where each stands against the real head, and why if it stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leftfold.database.protocol import Database
from leftfold.events.query_text import query_of_text
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.parked import ParkedCount, ParkedEvents
from leftfold.follow.checkpoints.partition import Failure
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.checkpoints.workers import WorkerTable
from leftfold.follow.operate.state import Facts, State, state_of
from leftfold.log.contract import Log
from leftfold.log.select import Range

COUNTED = 100_000
"""How many events of lag are counted at most."""
LATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ProcessorStatus:
    """One generation of a processor.

    Everything is applied up to ``position``; ``head`` is the log's horizon. ``lag_events`` counts the processor's
    events between them, up to `COUNTED`, and ``lag`` is how long the first of them has been waiting. ``rate`` is in
    events a second. ``time_left`` follows from both, and is None if nothing moves. ``reason`` says why it stands still,
    and ``remedy`` what to do.
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
        """Whether nothing needs a person: the health check fails when this is False of any live generation."""
        return self.state in ("current", "inline", "building", "former") or (
            self.state == "behind" and self.lag < timedelta(seconds=LATE_SECONDS)
        )


async def status_of(log: Log, database: Database, lease_seconds: float) -> list[ProcessorStatus]:
    """Every generation of every processor in a database, by name. Needs no code of the processors."""
    head = await log.head()
    async with database.connection() as connection:
        generations = await Generations(database).all(connection)
        partitions = await Partitions(database).all(connection)
        workers = await WorkerTable(database).all(connection, lease_seconds)
        parked = await ParkedEvents(database).count(connection)
    found = []
    for generation in generations:
        own = [part for part in partitions if (part.name, part.generation) == (generation.name, generation.number)]
        position = min((partition.position for partition in own), default=0)
        count, since = (0, None) if generation.mode == "inline" else await _lag(log, generation, position, head)
        count_parked = parked.get((generation.name, generation.number))
        found.append(judge(Facts(generation, own, workers, count), count_parked, head, since))
    return found


def judge(facts: Facts, parked: ParkedCount | None, head: int, waiting_since: datetime | None) -> ProcessorStatus:
    """A pure judgement of what was found."""
    generation, partitions, lag_events = facts.generation, facts.partitions, facts.lag_events
    position = head if generation.mode == "inline" else min((part.position for part in partitions), default=0)
    lag = max(timedelta(0), datetime.now(UTC) - waiting_since) if waiting_since is not None else timedelta(0)
    rate = sum(partition.rate for partition in partitions)
    owners = {partition.owner for partition in partitions if partition.leased and partition.owner is not None}
    state, reason, remedy = state_of(facts)
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
        tuple(sorted(owners)),
        parked,
        facts.failures,
        reason,
        remedy,
    )


async def _lag(log: Log, generation: Generation, position: int, head: int) -> tuple[int, datetime | None]:
    """How many events are not applied yet, and since when the first of them has been there."""
    if position >= head:
        return 0, None
    query = query_of_text(generation.query) if generation.query != "{}" else None
    if query is None:
        return head - position, None
    first = await log.read_log_page(query, Range(position, head, 1))
    if not first:
        return 0, None
    return await log.count(query, position, head, COUNTED), first[0].recorded_at
