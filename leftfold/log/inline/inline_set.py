"""Which projections are inline: the database records their set and its digest, in a single row.

Every append sends the digest of the set that its process maintains; a mismatch is refused. So no append writes past a
read model unknowingly. The append is judged under a shared lock, which a change of the set takes exclusively.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import msgspec

from leftfold.database.protocol import Connection, Database
from leftfold.errors import ProcessorOutdated


class Member(NamedTuple):
    """An inline projection."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


InlineSet = frozenset[Member]
PATIENCE = 10.0
"""Seconds to wait for appends that are in flight."""
_decode = msgspec.json.Decoder(list[Member]).decode


def digest_of(members: InlineSet) -> str:
    """The digest that an append sends; empty for the empty set."""
    return sha256(_encoded(members)).hexdigest()[:16] if members else ""


async def lock_inline_set(connection: Connection, database: Database) -> None:
    """Wait for appends that are in flight, and let others wait until the transaction ends, as in SQLite they do anyway.

    `StoreUnavailable` if that takes longer than `PATIENCE`.
    """
    if database.dialect == "postgresql":
        await connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
        await connection.execute(f"SELECT pg_advisory_xact_lock({database.schema}.log_space_v1(), 0)")


async def read_inline_set(connection: Connection, database: Database) -> InlineSet:
    """The set that the database records."""
    rows = await connection.execute(f"SELECT members FROM {database.table('inline_set')}")
    if not rows:
        raise ProcessorOutdated(
            f"the table {database.table('inline_set')} is empty (restored without its data?), so it does not tell "
            "which projections are inline: restore its row, or insert ('', '[]') if there were none"
        )
    return frozenset(_decode(rows[0][0]))


async def write_inline_set(connection: Connection, database: Database, members: InlineSet) -> None:
    """Record another set; the caller holds the lock of `lock_inline_set`."""
    mark = "?" if database.dialect == "sqlite" else "%s"
    await connection.execute(
        f"UPDATE {database.table('inline_set')} SET digest = {mark}, members = {mark}",
        (digest_of(members), _encoded(members).decode()),
    )


def outdated(recorded: InlineSet, own: InlineSet) -> ProcessorOutdated:
    """The refusal of a process that maintains another set than the database records."""
    parts = [
        f"this store maintains inline {_listed(recorded)}, and this process was connected with {_listed(own)}: what it "
        "appends would not reach the same read models"
    ]
    if recorded:
        parts.append(f"To append, connect with inline=[…] of {_listed(recorded)}")
    if missing := own - recorded:
        parts.append(
            f"To make {_listed(missing)} inline, connect without inline=, and run "
            f"{_calls('inline', missing)}; then connect anew everywhere"
        )
    if foreign := recorded - own:
        parts.append(
            f"To end that {_listed(foreign)} {'is' if len(foreign) == 1 else 'are'} inline: "
            f"{_calls('background', foreign)}"
        )
    return ProcessorOutdated(". ".join(parts))


def _calls(to: str, members: Iterable[Member]) -> str:
    return ", ".join(f"store.projector([…]).switch({member.name!r}, to={to!r})" for member in sorted(members))


def _listed(members: Iterable[Member]) -> str:
    return ", ".join(map(str, sorted(members))) or "nothing"


def _encoded(members: InlineSet) -> bytes:
    return msgspec.json.encode(sorted(members))
