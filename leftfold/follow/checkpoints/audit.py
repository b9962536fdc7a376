"""What people do to projections, kept with who and why: the read side has an audit trail, too."""

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
    """One thing that somebody did to a projection."""

    at: datetime
    processor: str
    act: str
    who: str
    why: str
    details: Mapping[str, Any]


class AuditLog:
    """The table of acts in a database."""

    def __init__(self, database: Database) -> None:
        self._run = Statements("audit", database).run

    async def record(
        self, connection: Connection, name: str, act: str, who: str | None, why: str, details: Mapping[str, Any]
    ) -> None:
        """Keep it, in the transaction that does it. ``who`` is by default the user of this process."""
        told = msgspec.json.encode(details).decode()
        now = moment.to_text(datetime.now(UTC))
        await self._run(
            connection,
            "record",
            id=str(uuid7()),
            name=name,
            act=act,
            who=who or user_at_host(),
            why=why,
            details=told,
            now=now,
        )

    async def latest(self, connection: Connection, name: str | None = None, limit: int = 20) -> list[AuditEntry]:
        """The last acts, or those on one processor, the newest first."""
        if name is None:
            rows = await self._run(connection, "latest", limit=limit)
        else:
            rows = await self._run(connection, "latest_of", name=name, limit=limit)
        return [
            AuditEntry(moment.from_stored(at), name, act, who, why, msgspec.json.decode(details))
            for at, name, act, who, why, details in rows
        ]


def user_at_host() -> str:
    """Who runs this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
