"""The doctor: is the store reachable, whole, up to date and durable; and which known dangers does it stand in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from leftfold.database.protocol import Connection, Dialect
from leftfold.database.url import SqliteUrl, parse_url
from leftfold.log.contract import Log
from leftfold.ops.doctor.epochs import examine
from leftfold.ops.doctor.finding import Finding
from leftfold.ops.doctor.holders import holders, judge_holders
from leftfold.ops.opening import is_store, opened
from leftfold.schema.migrations import applied, migrations

WAL_IS_SAFE = (3, 51, 3)
"""Before this version of SQLite, two connections that checkpoint a WAL at once can corrupt the file (since 3.7.0)."""


async def diagnose(url: str, *, blocking: bool = True) -> list[Finding]:
    """Everything about the store at a URL. What keeps it from being opened at all is raised, as by `connect`."""
    place = parse_url(url)
    reachable = Finding("fine", "reachable", str(place))
    if isinstance(place, SqliteUrl) and not is_store(place):
        return [reachable, judge_sqlite(_library()), judge_schema([], _newest("sqlite"))]
    async with opened(url, blocking=blocking, judge=False) as log:
        async with log.database.connection() as connection:
            if isinstance(place, SqliteUrl):
                found = [_sqlite_file(str(place.path)), *await _sqlite(connection)]
            else:
                found = await _postgresql(connection)
        schema = judge_schema(await applied(log.database), _newest(log.database.dialect))
        if schema.level != "fine":
            return [reachable, *found, schema]
        events = [await _events(log), *judge_holders(await holders(log)), *await examine(log)]
    return [reachable, *found, schema, *events]


def judge_sqlite(version: tuple[int, int, int]) -> Finding:
    """The library that this Python is linked with."""
    text = f"SQLite {'.'.join(map(str, version))}"
    if version >= WAL_IS_SAFE:
        return Finding("fine", "back end", text)
    return Finding(
        "warning",
        "back end",
        f"{text} can corrupt a WAL when two connections checkpoint at once",
        "use a Python linked with SQLite 3.51.3 or newer, or let one process at a time open the file; keep backups",
    )


def judge_journal(mode: str) -> Finding:
    """How SQLite keeps readers and the writer apart."""
    if mode == "wal":
        return Finding("fine", "journal mode", "WAL: readers do not wait for the writer")
    return Finding("warning", "journal mode", mode, "leftfold uses WAL: is the file on a network drive, or read only?")


def judge_synchronous(level: int) -> Finding:
    """How often SQLite flushes: 0 is off, 1 normal, 2 full, 3 extra."""
    names = ["OFF", "NORMAL", "FULL", "EXTRA"]
    if level >= 2:
        return Finding("fine", "durability", f"synchronous={names[level]}: acknowledged means flushed")
    return Finding(
        "wrong", "durability", f"synchronous={names[level]}: a power cut loses acknowledged events", "use FULL"
    )


def judge_flushing(fsync: str, synchronous_commit: str, full_page_writes: str) -> list[Finding]:
    """PostgreSQL's settings about what a commit waits for, as leftfold's connections see them."""
    found = []
    if fsync != "on":
        found.append(Finding("wrong", "durability", f"fsync={fsync}: a crash can destroy the database", "set it on"))
    if synchronous_commit == "off":
        text = "synchronous_commit=off: a crash loses acknowledged events"
        found.append(Finding("wrong", "durability", text, "set it on for this database or user"))
    if full_page_writes != "on":
        text = f"full_page_writes={full_page_writes}: a crash can leave torn pages"
        found.append(Finding("warning", "durability", text, "set it on, unless the file system never tears pages"))
    text = f"fsync={fsync}, synchronous_commit={synchronous_commit}: acknowledged means flushed"
    return found or [Finding("fine", "durability", text)]


def judge_schema(done: list[int], newest: int) -> Finding:
    """Whether the tables are those that this code knows."""
    if not done:
        return Finding(
            "wrong", "schema", "no tables of leftfold's here", "check the URL, or run `leftfold migrate URL`"
        )
    if max(done) > newest:
        text = f"at step {max(done)}; this version of leftfold knows steps up to {newest}"
        return Finding("wrong", "schema", text, "newer code has upgraded it: upgrade leftfold here too")
    if set(range(1, newest + 1)) - set(done):
        return Finding("wrong", "schema", f"at step {max(done)} of {newest}", "run `leftfold migrate URL`")
    return Finding("fine", "schema", f"up to date, at step {newest}")


def _sqlite_file(path: str) -> Finding:
    sizes = {name: Path(path + name).stat().st_size for name in ("", "-wal") if Path(path + name).exists()}
    wal = f", and {_size(sizes['-wal'])} in the WAL" if sizes.get("-wal") else ""
    return Finding("fine", "file", f"{_size(sizes.get('', 0))}{wal}")


async def _sqlite(connection: Connection) -> list[Finding]:
    [(mode,)] = await connection.execute("PRAGMA journal_mode")
    [(level,)] = await connection.execute("PRAGMA synchronous")
    return [judge_sqlite(_library()), judge_journal(mode), judge_synchronous(level)]


async def _postgresql(connection: Connection) -> list[Finding]:
    [(version, encoding, standby, *settings)] = await connection.execute(
        "SELECT current_setting('server_version'), current_setting('server_encoding'), pg_is_in_recovery(), "
        "current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
    )
    found = [Finding("fine", "back end", f"PostgreSQL {version}"), Finding("fine", "encoding", encoding)]
    if standby:
        found.append(Finding("warning", "role", "a standby: it can be read, not appended to", "connect to the primary"))
    return [*found, *judge_flushing(*settings)]


def _library() -> tuple[int, int, int]:
    major, minor, patch = sqlite3.sqlite_version_info[:3]
    return major, minor, patch


def _newest(dialect: Dialect) -> int:
    return migrations(dialect)[-1].number


async def _events(log: Log) -> Finding:
    async with log.database.connection() as connection:
        [(count,)] = await connection.execute(f"SELECT count(*) FROM {log.database.table('events')}")
    return Finding("fine", "events", f"{count:,}; the head is at position {await log.head():,}")


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"
