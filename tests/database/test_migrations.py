"""Migrations: from nothing to a store, never an upgrade by surprise, never two at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

import leftfold as lf
from leftfold.database.protocol import Dialect
from leftfold.database.url import parse_url
from leftfold.schema import migrations as module
from leftfold.schema.migrations import Migration, migration_sql, migrations


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_migrations_are_numbered_without_a_gap(dialect: Dialect) -> None:
    assert [one.number for one in migrations(dialect)] == list(range(1, len(migrations(dialect)) + 1))


def test_an_empty_database_is_refused_where_nothing_may_be_made(fresh_store_url: str) -> None:
    with pytest.raises(lf.SchemaOutdated, match="leftfold migrate"):
        lf.connect(fresh_store_url, migrate="never")
    lf.connect(fresh_store_url).close()
    lf.connect(fresh_store_url, migrate="never").close()


def test_create_never_upgrades_and_upgrade_does(fresh_store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lf.connect(fresh_store_url).close()
    dialect: Dialect = "sqlite" if fresh_store_url.startswith("sqlite") else "postgresql"
    schema = getattr(parse_url(fresh_store_url), "schema", None)
    table = f"{schema}.later" if schema else "later"
    steps = migrations(dialect)
    newer = (*steps, Migration(len(steps) + 1, "later", f"CREATE TABLE {table} (a int);\n"))
    monkeypatch.setattr(module, "migrations", lambda _: newer)
    with pytest.raises(lf.SchemaOutdated, match=f"step {len(steps)} of {len(steps) + 1}.*leftfold migrate"):
        lf.connect(fresh_store_url)
    lf.connect(fresh_store_url, migrate="upgrade").close()
    lf.connect(fresh_store_url).close()
    monkeypatch.setattr(module, "migrations", lambda _: steps)
    with pytest.raises(lf.SchemaOutdated, match="newer code"):
        lf.connect(fresh_store_url)


def test_many_processes_may_create_one_store_at_once(fresh_store_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        for store in threads.map(lambda _: lf.connect(fresh_store_url), range(8)):
            store.close()


def test_an_unknown_policy_is_refused(sqlite_url: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="'create', 'upgrade', 'never'"):
        lf.connect(sqlite_url, migrate="always")  # type: ignore[arg-type]


def test_the_printed_script_makes_the_same_store_on_sqlite(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "printed.db")
    connection.executescript(migration_sql("sqlite", None))
    connection.close()
    lf.connect(f"sqlite:///{tmp_path}/printed.db", migrate="never").close()


def test_the_printed_script_makes_the_same_store_on_postgresql(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        connection.execute(migration_sql("postgresql", "printed").encode())
    lf.connect(f"{postgres_database}?schema=printed", migrate="never").close()
