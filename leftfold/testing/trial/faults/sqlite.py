"""Faults of an SQLite file: a disk that is full or broken, and other connections that write, read for long, or move the
write-ahead log into the file."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing

from leftfold.testing.trial.stage.stage import Stage


def foreign_writer(stage: Stage, chance: random.Random) -> str | None:
    """A foreign write transaction: every writer waits."""
    with closing(_connect(stage)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return None
        seconds = chance.uniform(0.05, 0.8)
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    return f"{seconds:.2f} s"


def foreign_reader(stage: Stage, chance: random.Random) -> str | None:
    """A foreign reader stays long: the write-ahead log cannot begin anew."""
    with closing(_connect(stage)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM leftfold_events").fetchone()
        seconds = chance.uniform(0.2, 2)
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    return f"{seconds:.2f} s"


def checkpoint(stage: Stage, chance: random.Random) -> str | None:
    """The write-ahead log is moved into the file, and cut."""
    mode = chance.choice(["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
    with closing(_connect(stage)) as connection:
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return mode


def disk_full(stage: Stage, chance: random.Random) -> str | None:
    """What one worker writes is refused, from some operation on, as on a full disk."""
    return _fail(stage, chance, sqlite3.SQLITE_FULL)


def disk_error(stage: Stage, chance: random.Random) -> str | None:
    """One worker's disk reports that it could not write or flush."""
    return _fail(stage, chance, chance.choice([sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC]))


def _fail(stage: Stage, chance: random.Random, code: int) -> str | None:
    hand = stage.any_hand(chance)
    name, after, times = hand.name, chance.randrange(12), chance.choice([1, 1, 2, 10, 100])
    hand.tell(f"fail {code} {after} {times}")
    time.sleep(chance.uniform(0.05, 0.5))
    hand.tell("heal")
    return f"{name}: {times} operations, after {after}"


def _connect(stage: Stage) -> sqlite3.Connection:
    return sqlite3.connect(stage.url.removeprefix("sqlite:///"), timeout=2, isolation_level=None)


SQLITE_FAULTS = {
    "disk full": disk_full,
    "disk error": disk_error,
    "foreign writer": foreign_writer,
    "foreign reader": foreign_reader,
    "checkpoint": checkpoint,
}
