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
from leftfold.read import clock
from leftfold.read.compiling import compiled_text

_SEEN = """INSERT INTO {table} (id, host, pid, serves, started_at, seen_at)
    VALUES (:id, :host, :pid, :serves, {now}, {now})
    ON CONFLICT (id) DO UPDATE SET serves = excluded.serves, seen_at = excluded.seen_at"""
_GONE = "DELETE FROM {table} WHERE id = :id"
_BURY = "DELETE FROM {table} WHERE seen_at < {ahead}"
_ALL = (
    "SELECT id, host, pid, serves, started_at, seen_at, seen_at > {ahead} AS lives FROM {table} ORDER BY started_at, id"
)

BURIED_AFTER = 86_400.0
"""Seconds after which a worker that has died without a word is not told of any more."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker. ``serves`` says of each projection that it has why it does not run it, None if it does."""

    id: str
    host: str
    pid: int
    serves: Mapping[str, str | None]
    started_at: str
    seen_at: str
    lives: bool


class Members:
    """The table of workers in a database."""

    def __init__(self, database: Database) -> None:
        words = {
            "table": database.table("workers"),
            "now": clock.now(database.dialect),
            "ahead": clock.ahead(database.dialect),
        }
        self._seen, self._gone, self._bury, self._all = (
            compiled_text(sql.format(**words), database.dialect) for sql in (_SEEN, _GONE, _BURY, _ALL)
        )

    async def seen(self, connection: Connection, id: str, serves: Mapping[str, str | None]) -> None:
        """This one is alive, now."""
        told = msgspec.json.encode(serves).decode()
        bound = self._seen.bind(id=id, host=socket.gethostname(), pid=os.getpid(), serves=told)
        await connection.execute(*bound)

    async def gone(self, connection: Connection, id: str) -> None:
        """This one has ended in order."""
        await connection.execute(*self._gone.bind(id=id))

    async def bury(self, connection: Connection) -> None:
        """Forget those that have been dead for long."""
        await connection.execute(*self._bury.bind(seconds=-BURIED_AFTER))

    async def all(self, connection: Connection, lease_seconds: float) -> list[Member]:
        """Every one, the oldest first; it lives if it was seen within the time of a lease."""
        rows: list[tuple[Any, ...]] = await connection.execute(*self._all.bind(seconds=-lease_seconds))
        return [
            Member(id, host, pid, msgspec.json.decode(serves), started, seen, bool(lives))
            for id, host, pid, serves, started, seen, lives in rows
        ]


def new_member_id() -> str:
    """For a worker: where it is, and something of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
