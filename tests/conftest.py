"""What the tests stand on: a real PostgreSQL of their own, started once, and a fresh store for each test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from leftfold.testing.postgres import Postgres, postgres_for_tests

_schemas = count(1)


def pytest_collection_finish() -> None:
    """What is there now stays to the end: looking through it again and again for garbage takes a sixth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the whole run. A checkpoint flushes thousands of files, of all schemas so far: few."""
    with postgres_for_tests(checkpoint_timeout="1h", max_wal_size="4GB") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres: Postgres) -> str:
    """The URL of one database for the whole run; each test takes a schema of its own in it."""
    return postgres.create_database()


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """A fresh store on PostgreSQL."""
    mark = "&" if "?" in postgres_database else "?"
    return f"{postgres_database}{mark}schema=test_{next(_schemas)}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh store in an SQLite file."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh store, on either back end."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url
