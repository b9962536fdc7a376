"""The raw database: what it does when nothing is asked of it but to keep a row, durably, in the same tables."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import leftfold as lf
from benchmarks.timing import calls_per_second
from leftfold.events.identity import uuid7

INSERT = """
INSERT INTO leftfold.events
    (position, stream, version, id, type, schema_version, data, metadata, tags, occurred_at, recorded_at)
SELECT p, 'BankAccount-' || :client_id, p, uuidv7(), 'MoneyDeposited', 1, '{"amount":"12.50"}', '{}', '{}', now(), now()
  FROM nextval('leftfold.position') p;
"""
VERSION = "SELECT coalesce(max(version), 0) FROM leftfold_events WHERE stream = ?"
INSERT_ROW = "INSERT INTO leftfold_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Raw:
    """Measures in this process, with the face of a `benchmarks.worker.Worker`."""

    def __init__(self, pgbench: Path) -> None:
        self._pgbench = pgbench
        self._measures: dict[str, Callable[..., float]] = {"pgbench": self.pgbench, "loop": loop}

    def ask(self, measure: str, **arguments: Any) -> float:
        """The figure of a measurement, by its name."""
        return self._measures[measure](**arguments)

    def pgbench(self, url: str, callers: int, seconds: float) -> float:
        """Transactions a second: a prepared one-row INSERT into leftfold's own events table, by pgbench."""
        lf.connect(url).close()
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(INSERT.strip().replace("\n", " "))
            script.flush()
            options = ["-n", "-M", "prepared", "-c", str(callers), "-j", "2", "-T", str(max(1, round(seconds)))]
            ran = subprocess.run(
                [self._pgbench, *options, "-f", script.name, url], capture_output=True, text=True, check=True
            )
        found = re.search(r"tps = ([0-9.]+)", ran.stdout)
        if not found:
            raise AssertionError(f"pgbench told no tps:\n{ran.stdout}{ran.stderr}")
        return float(found[1])


def loop(url: str, seconds: float, rows: int = 1) -> float:
    """Rows a second of a bare sqlite3 loop, flushed: for each the version's SELECT and a pre-encoded INSERT, so many in
    each transaction, to as many streams."""
    lf.connect(url).close()
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")  # the journal mode, WAL, is the file's
    streams, positions = [f"BankAccount-{uuid4()}" for _ in range(rows)], count(1)
    data, now = '{"amount":"12.50"}', "2026-01-16T00:00:00.000000Z"

    def row(stream: str) -> tuple[object, ...]:
        [(version,)] = connection.execute(VERSION, (stream,))
        return next(positions), stream, version + 1, uuid7().bytes, "MoneyDeposited", 1, data, "{}", "[]", now, now

    def append() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT_ROW, [row(stream) for stream in streams])
        connection.execute("COMMIT")

    try:
        return rows * calls_per_second(append, seconds)
    finally:
        connection.close()
