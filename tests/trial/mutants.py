"""Logs with one fault each: what a trial must find. Functions that a worker, or the trial, calls before it begins."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg

from leftfold.database.sqlite.database import roll_back
from leftfold.database.url import PostgresqlUrl, parse_url
from leftfold.errors import StoreUnavailable
from leftfold.events import Query, RecordedEvent
from leftfold.events.identity import uuid7
from leftfold.log.append import Append, AppendResult, Outcome
from leftfold.log.contract import Log
from leftfold.log.inline.protocol import Inline
from leftfold.log.page_size import PageSize
from leftfold.log.postgresql import retry
from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.postgresql.outcomes import Answer
from leftfold.log.postgresql.pooled import PooledSender
from leftfold.log.sqlite import log as sqlite_log
from leftfold.log.sqlite.log import SqliteLog
from leftfold.log.sqlite.writer import Writer
from leftfold.log.subscription.cursor import Cursor


def horizon_off(url: str) -> None:
    """Followers go to the last position that has been drawn, whatever is in flight below it."""
    _rewrite(url, {"least(distance, 0)": "0"})


def stream_lock_dropped(url: str) -> None:
    """Appends to one stream are judged side by side, and nothing has the last word."""
    _rewrite(
        url,
        _shared("{schema}.stream_space_v1()"),
        "DROP INDEX {schema}.events_stream_version",
        "CREATE INDEX events_stream_version ON {schema}.events (stream, version)",
    )


def condition_lock_dropped(url: str) -> None:
    """Conditions are judged beside the appends that they are about."""
    _rewrite(url, _shared("{schema}.log_space_v1()"))


def not_flushed(url: str) -> None:
    """Acknowledged before it is on disk."""
    _rewrite(
        url,
        {"PERFORM set_config('synchronous_commit', 'on', true)": "NULL"},
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    )


def ids_not_looked_at(url: str) -> None:
    """SQLite: an id may stand in the log as often as it comes."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.executescript("DROP TRIGGER leftfold_events_no_replace; DROP INDEX leftfold_events_id;")


def repetitions_not_recognised() -> None:
    """SQLite: every append is taken for a new one."""
    Writer.repeated = lambda self, append: None  # type: ignore[method-assign]


def failed_commit_acknowledged() -> None:
    """SQLite: it is acknowledged whatever COMMIT says."""

    def in_transaction(raw: sqlite3.Connection, write: Callable[[Writer], Any]) -> Any:
        raw.execute("BEGIN IMMEDIATE")
        try:
            result = write(Writer(raw))
            with suppress(sqlite3.OperationalError):
                raw.execute("COMMIT")
        finally:
            roll_back(raw)
        return result

    sqlite_log.in_transaction = in_transaction  # type: ignore[attr-defined]


def retry_with_new_ids() -> None:
    """PostgreSQL: what is sent again after a lost connection is taken for something new."""
    original = PooledSender.append
    retry.ATTEMPTS = 1

    async def append(self: PooledSender, appends: Sequence[Append], inline: Inline, **options: Any) -> Answer:
        for _ in range(5):
            try:
                return await original(self, appends, inline, **options)
            except StoreUnavailable:
                await self._database.sleep(0.05)
                appends = [
                    append._replace(events=tuple(event._replace(id=uuid7()) for event in append.events))
                    for append in appends
                ]
        return await original(self, appends, inline, **options)

    async def no_short_way(self: PooledSender, append: Append, *, wait: bool) -> None:
        return None

    PooledSender.append = append  # type: ignore[method-assign]
    PooledSender.append_one = no_short_way  # type: ignore[method-assign]


def follow_by_maximum_position() -> None:
    """Followers read all that they can see, and remember the greatest position."""

    def read(self: Cursor, query: Query, size: PageSize) -> AsyncIterator[list[RecordedEvent]]:
        return self._log.read_settled(query, self.position, 2**63 - 1, size)

    Cursor.read = read  # type: ignore[method-assign]


def answers_mixed_up() -> None:
    """The appends of one batch get each other's answers."""
    for log in (PostgresqlLog, SqliteLog):
        log.append_batch = _mixing(log.append_batch)  # type: ignore[method-assign]


def _mixing(original: Callable[..., Awaitable[list[Outcome]]]) -> Any:
    async def append_batch(self: Log, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        outcomes = await original(self, appends, wait=wait)
        done = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, AppendResult)]
        mixed = list(outcomes)
        for index, other in zip(done, [*done[1:], *done[:1]], strict=True):
            mixed[index] = outcomes[other]
        return mixed

    return append_batch


def _shared(space: str) -> dict[str, str]:
    """Exclusive locks become shared locks, which keep no writer out."""
    return {
        f"{lock}({space}": f"{lock}_shared({space}" for lock in ("pg_advisory_xact_lock", "pg_try_advisory_xact_lock")
    }


def _rewrite(url: str, changes: dict[str, str], *statements: str) -> None:
    """Replace text in the functions of a store; each must be there somewhere."""
    place = parse_url(url)
    assert isinstance(place, PostgresqlUrl)
    with psycopg.connect(place.conninfo) as connection:
        for old, new in changes.items():
            old, new = old.replace("{schema}", place.schema), new.replace("{schema}", place.schema)
            found = connection.execute(
                "SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.pronamespace = %s::regnamespace "
                "AND p.prokind = 'f' AND strpos(p.prosrc, %s) > 0",
                (place.schema, old),
            ).fetchall()
            assert found, f"no function contains {old!r} any more: what shall the mutant change?"
            for (definition,) in found:
                connection.execute(definition.replace(old, new).encode())
        for statement in statements:
            connection.execute(statement.replace("{schema}", place.schema).encode())
