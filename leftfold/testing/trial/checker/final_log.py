"""The final log, read from its tables by plain SQL: the checker trusts nothing that it is to judge."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

import msgspec

from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url
from leftfold.testing.trial.checker.evidence import Violation
from leftfold.testing.trial.record.records import StoredEvent


def final_log(url: str) -> list[StoredEvent]:
    """Every event that is stored, as it is stored."""
    place = parse_url(url)
    data = "data::text" if isinstance(place, PostgresqlUrl) else "data"
    sql = f"SELECT position, stream, version, id, type, {data}, tags FROM {_table(place, 'events')} ORDER BY position"
    return [_stored(*row) for row in _select(place, sql)]


def check_tags(url: str, final: list[StoredEvent]) -> list[Violation]:
    """The index of tags says of each event what the event says itself."""
    place = parse_url(url)
    found: dict[int, set[str]] = {}
    for tag, position in _select(place, f"SELECT tag, position FROM {_table(place, 'event_tags')}"):
        found.setdefault(position, set()).add(tag)
    wrong = [stored for stored in final if found.pop(stored.position, set()) != set(stored.tags)]
    text = "the index of tags does not have this event's tags"
    nowhere = [
        Violation("tags", f"the index of tags has an entry at {position}, where no event is", ()) for position in found
    ]
    return [Violation("tags", text, (stored,)) for stored in wrong] + nowhere


def _stored(position: int, stream: str, version: int, id: Any, type: str, data: str, tags: Any) -> StoredEvent:
    hex_id = id.hex if isinstance(id, UUID) else bytes(id).hex()
    tags = msgspec.json.decode(tags) if isinstance(tags, str) else tags
    return StoredEvent(position, stream, version, hex_id, type, data, tuple(tags))


def _table(place: PostgresqlUrl | SqliteUrl, name: str) -> str:
    return f"{place.schema}.{name}" if isinstance(place, PostgresqlUrl) else f"leftfold_{name}"


def _select(place: PostgresqlUrl | SqliteUrl, sql: str) -> list[tuple[Any, ...]]:
    if isinstance(place, SqliteUrl):
        with closing(sqlite3.connect(str(place.path))) as connection:
            return connection.execute(sql).fetchall()
    import psycopg

    with psycopg.connect(place.conninfo) as postgresql:
        return postgresql.execute(sql.encode()).fetchall()
