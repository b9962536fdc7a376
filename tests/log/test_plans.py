"""The indexes are used: what a read costs does not grow with what it does not return."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

import leftfold as lf
from leftfold.database.protocol import Row
from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.select import Range, select_events
from leftfold.log.sqlite.statements import DIALECT

RARE = lf.Query.of("rare")
QUERIES = [
    RARE,
    lf.Query.of("rare", "missing"),
    lf.Query.of(tags=["student:7"]),
    lf.Query.of("rare", tags=["student:7"]) | lf.Query.of(tags=["student:8", "course:1"]),
]


def fill(store: lf.EventStore) -> None:
    common = lf.RawEvent("common", b"{}")
    for number in range(30):
        store.append(f"Thing-{number}", [common] * 1000)
    store.append("Thing-rare", [lf.NewEvent(lf.RawEvent("rare", b"{}"), tags=["student:7", "course:1"])])


@pytest.mark.parametrize("backwards", [False, True])
def test_sqlite_searches_by_index_and_never_scans(tmp_path: Path, backwards: bool) -> None:
    path = tmp_path / "log.db"
    with lf.connect(f"sqlite:///{path}") as store:
        fill(store)
    connection = sqlite3.connect(path)
    for query in QUERIES:
        sql, parameters = select_events(query, Range(0, 10**9, 100, backwards), DIALECT)
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        touched = [step for step in steps if "leftfold" in step or " e " in step or " t " in step]
        assert touched
        assert all(step.startswith("SEARCH") for step in touched if step.split()[1] in ("e", "t", "o")), steps
    connection.close()


def _visited(plan: dict[str, Any]) -> float:
    """Rows that the leaves of a plan looked at, thrown away ones included."""
    below = plan.get("Plans", [])
    if below:
        return sum(_visited(one) for one in below)
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    return float((plan["Actual Rows"] + removed) * plan["Actual Loops"])


@pytest.mark.parametrize("analyzed", [False, True])
def test_postgresql_looks_at_few_rows_for_a_rare_event(fresh_postgres_url: str, analyzed: bool) -> None:
    with lf.connect(fresh_postgres_url) as store:
        fill(store)
        log = store._log
        assert isinstance(log, PostgresqlLog)
        schema = log.database.schema
        database = fresh_postgres_url.partition("?")[0]
        with psycopg.connect(database, autocommit=True) as connection:
            if analyzed:
                connection.execute(f"ANALYZE {schema}.events, {schema}.event_tags".encode())
            for query in QUERIES:
                sql, parameters = select_events(query, Range(0, 10**9, 100, False), log.sql_dialect)
                rows: list[Row] = connection.execute(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode(), parameters
                ).fetchall()
                assert _visited(rows[0][0][0]["Plan"]) < 50, rows
