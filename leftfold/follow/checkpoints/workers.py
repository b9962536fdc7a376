"""The table of workers: each worker writes a row about itself, and renews it while it lives."""

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
"""Seconds after which the row of a dead worker is deleted."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker. ``serves`` has its processors, each with the reason why it does not run it, or None if it does."""

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
        """Write down that a worker of this process is alive now."""
        text = msgspec.json.encode(serves).decode()
        await self._run(connection, "seen", id=id, host=socket.gethostname(), pid=os.getpid(), serves=text)

    async def gone(self, connection: Connection, id: str) -> None:
        """Delete the row of a worker that ends in order."""
        await self._run(connection, "gone", id=id)

    async def bury(self, connection: Connection) -> None:
        """Delete the rows of workers that have been dead for long."""
        await self._run(connection, "bury", seconds=-BURIED_AFTER)

    async def all(self, connection: Connection, lease_seconds: float) -> list[WorkerRow]:
        """Every worker, the oldest first. A worker lives if it was seen within the time of a lease."""
        rows: list[tuple[Any, ...]] = await self._run(connection, "all", seconds=-lease_seconds)
        return [
            WorkerRow(id, host, pid, msgspec.json.decode(serves), started, seen, bool(lives))
            for id, host, pid, serves, started, seen, lives in rows
        ]


def new_worker_id() -> str:
    """Host, process and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
