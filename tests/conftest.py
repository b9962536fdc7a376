"""What the tests stand on: a real PostgreSQL of their own, started once, and a fresh store for each test."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from leftfold.testing.postgres import Postgres, postgres_for_tests
from tests.schemas import Schemas
from tests.tiers import is_one_more_case


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nothing-skipped", action="store_true", help="a test that would be skipped fails")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move what is one more case of a large product into the exhaustive tier; other long tests carry its mark."""
    for item in items:
        if isinstance(item, pytest.Function) and is_one_more_case(item):
            item.add_marker(pytest.mark.exhaustive)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--nothing-skipped"):
        report.outcome = "failed"
    return report


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


@pytest.fixture(scope="session")
def schemas(postgres_database: str) -> Iterator[Schemas]:
    """The schemas of that database, each used by one test after the other."""
    made = Schemas(postgres_database)
    yield made
    made.close()


@pytest.fixture
def postgres_url(schemas: Schemas) -> Iterator[str]:
    """An empty store on PostgreSQL. Its tables exist; see ``fresh_postgres_url``."""
    with schemas.lent() as schema:
        yield schemas.url(schema)


@pytest.fixture
def fresh_postgres_url(schemas: Schemas) -> str:
    """A store on PostgreSQL that nothing has connected to yet: for tests of migrations, roles, triggers and plans."""
    return schemas.url(schemas.fresh())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh store in an SQLite file."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """An empty store, on either back end."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_store_url(request: pytest.FixtureRequest) -> str:
    """A store on either back end that nothing has connected to yet."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "fresh_postgres_url")
    return url
