"""Workers: the processes that run projections, as they tell of themselves in the database."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.follow.checkpoints.statements import Statements

BURIED_AFTER = 86_400.0
"""Seconds after which a worker that has died without a word is not told of any more."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker. ``serves`` says of each projection that it has why it does not run it, None if it does."""

    id: str
    host: str
    pid: int
    serves: Mapping[str, str | None]
    started_at: str
    seen_at: str
    lives: bool


class WorkerTable:
    """The table of workers in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("workers", database).run

    async def seen(self, connection: Connection, id: str, serves: Mapping[str, str | None]) -> None:
        """This one is alive, now."""
        told = msgspec.json.encode(serves).decode()
        await self._run(connection, "seen", id=id, host=socket.gethostname(), pid=os.getpid(), serves=told)

    async def gone(self, connection: Connection, id: str) -> None:
        """This one has ended in order."""
        await self._run(connection, "gone", id=id)

    async def bury(self, connection: Connection) -> None:
        """Forget those that have been dead for long."""
        await self._run(connection, "bury", seconds=-BURIED_AFTER)

    async def all(self, connection: Connection, lease_seconds: float) -> list[WorkerRow]:
        """Every one, the oldest first; it lives if it was seen within the time of a lease."""
        rows: list[tuple[Any, ...]] = await self._run(connection, "all", seconds=-lease_seconds)
        return [
            WorkerRow(id, host, pid, msgspec.json.decode(serves), started, seen, bool(lives))
            for id, host, pid, serves, started, seen, lives in rows
        ]


def new_worker_id() -> str:
    """For a worker: where it is, and something of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
