"""Waiting until a read model shows an event: read your own writes without a sleep."""

from __future__ import annotations

from time import monotonic

from leftfold.arguments import whole_number
from leftfold.database.protocol import Database
from leftfold.errors import ProcessorOutdated, ProjectionBehind
from leftfold.follow.checkpoints.generation import Generation
from leftfold.follow.checkpoints.generations import Generations
from leftfold.follow.checkpoints.partitions import Partitions

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05


async def wait_for(database: Database, table: str, position: int, timeout: float) -> None:
    """Until every projection into ``table`` has applied everything up to ``position``; `ProjectionBehind` if late."""
    whole_number(position, "position, such as that of an AppendResult,", least=0)
    generations, partitions = Generations(database), Partitions(database)
    deadline, pause = monotonic() + timeout, _FIRST_PAUSE
    while True:
        async with database.connection() as connection:
            live = [
                generation
                for generation in await generations.all(connection)
                if generation.role == "live" and table in generation.tables
            ]
            if not live:
                raise ProcessorOutdated(f"no projection maintains the table {table} yet: run its projector first")
            parts = [
                part
                for generation in live
                for part in await partitions.load(connection, generation.name, generation.number)
            ]
        if all(generation.mode == "inline" for generation in live):
            return
        reached = min((part.position for part in parts), default=0)
        if reached >= position:
            return
        if monotonic() >= deadline:
            error = next((part.failure.error for part in parts if part.failure is not None), None)
            raise ProjectionBehind(live[0].name, position, reached, _why(live[0], error, any(p.leased for p in parts)))
        await database.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)


def _why(generation: Generation, error: str | None, works: bool) -> str:
    if generation.paused is not None:
        return f"it was paused by {generation.paused.who}: {generation.paused.why}"
    if error is not None:
        return f"it stands still in front of an event: {error}"
    return "it is on its way; give it more time" if works else "no worker is running it: projector.run(), or catch_up()"
