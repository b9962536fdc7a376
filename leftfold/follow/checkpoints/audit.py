"""The audit log: what people did to processors, with who, when and why."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.events import moment
from leftfold.events.identity import uuid7
from leftfold.follow.checkpoints.statements import Statements


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of a person on a processor. ``who`` is a name, by default user@host."""

    at: datetime
    processor: str
    act: str
    who: str
    why: str
    details: Mapping[str, Any]


class AuditLog:
    """The audit log in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("audit", database).run

    async def record(
        self, connection: Connection, name: str, act: str, who: str | None, why: str, details: Mapping[str, Any]
    ) -> None:
        """Write an act down, in the transaction that does it."""
        now = moment.to_text(datetime.now(UTC))
        await self._run(
            connection,
            "record",
            id=str(uuid7()),
            name=name,
            act=act,
            who=who or user_at_host(),
            why=why,
            details=msgspec.json.encode(details).decode(),
            now=now,
        )

    async def latest(self, connection: Connection, name: str | None = None, limit: int = 20) -> list[AuditEntry]:
        """The last entries, or those on one processor, the newest first."""
        if name is None:
            rows = await self._run(connection, "latest", limit=limit)
        else:
            rows = await self._run(connection, "latest_of", name=name, limit=limit)
        return [
            AuditEntry(moment.from_stored(at), name, act, who, why, msgspec.json.decode(details))
            for at, name, act, who, why, details in rows
        ]


def user_at_host() -> str:
    """The user of this process and its host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
