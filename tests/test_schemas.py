"""A PostgreSQL schema that was used and wiped is as a new one, and one that a test has changed is not used again."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry
from tests.inline.models import ALL
from tests.schemas import Schemas

UNEQUAL = {"store", "began_at", "applied_at"}
"""Columns that differ between two new schemas, too."""


def rows(connection: psycopg.Connection, schema: str, catalogue: dict[tuple[str, str], str]) -> dict[str, list[object]]:
    """What stands in every table and in the sequence, but for what is never the same twice."""
    found: dict[str, list[object]] = {}
    for name in [name for kind, name in catalogue if kind == "relation r"]:
        cursor = connection.execute(SQL("SELECT to_jsonb(t) FROM {} t").format(Identifier(schema, name)))
        found[name] = [{key: row[key] for key in row.keys() - UNEQUAL} for (row,) in cursor]
    cursor = connection.execute(SQL("SELECT last_value, is_called FROM {}").format(Identifier(schema, "position")))
    found["position"] = [*cursor]
    return found


def use(url: str) -> None:
    """Leave something in the tables, and a table beside them."""
    with lf.connect(url, registry=registry, inline=ALL) as store:
        store.append("Thing-a", counted(5))


def identity(connection: psycopg.Connection, schema: str) -> object:
    return connection.execute(SQL("SELECT store FROM {}").format(Identifier(schema, "epochs"))).fetchone()


def test_a_wiped_schema_is_as_a_fresh_one(schemas: Schemas, postgres_database: str) -> None:
    used, fresh = schemas.fresh(), schemas.fresh()
    with schemas.lent():  # so that it is known what a schema has
        pass
    for schema in (used, fresh):
        lf.connect(schemas.url(schema)).close()
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        before = identity(connection, used)
        use(schemas.url(used))
        assert schemas.catalogue(used) != schemas.catalogue(fresh)
        assert rows(connection, used, schemas.catalogue(fresh)) != rows(connection, fresh, schemas.catalogue(fresh))
        assert schemas.wipe(used)
        assert schemas.catalogue(used) == schemas.catalogue(fresh)
        assert rows(connection, used, schemas.catalogue(used)) == rows(connection, fresh, schemas.catalogue(fresh))
        assert identity(connection, used) not in (before, identity(connection, fresh)), "each store is one of its own"
    with lf.connect(schemas.url(used), registry=registry) as store:
        assert store.append("Thing-a", counted(1)).position == 1


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER events_immutable ON {}.events",
        "ALTER TABLE {}.snapshots ADD COLUMN more int",
        "DROP FUNCTION {}.head_v1 CASCADE",
        "CREATE INDEX more ON {}.events (version)",
        "CREATE FUNCTION {}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "GRANT SELECT ON {}.events TO PUBLIC",
        "ALTER TABLE {}.events DISABLE TRIGGER ALL",
        "INSERT INTO {}.migrations VALUES (1000, 'of newer code', '')",
        "DROP TABLE {}.migrations",
    ],
)
def test_a_schema_that_a_test_changed_is_not_used_again(schemas: Schemas, postgres_database: str, change: str) -> None:
    with schemas.lent() as schema, psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(SQL(change).format(Identifier(schema)))
    assert not schemas.wipe(schema)
    with schemas.lent() as another:
        assert another != schema


def test_a_schema_that_a_session_still_holds_is_not_used_again(schemas: Schemas, postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        with schemas.lent() as schema:
            connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, "events")))
        with schemas.lent() as another:
            assert another != schema


def test_a_schema_that_an_open_store_could_still_write_into_is_not_used_again(schemas: Schemas) -> None:
    """The store is idle: it holds no lock that would tell of it."""
    with schemas.lent() as schema:
        left_open = lf.connect(schemas.url(schema), registry=registry)
    with left_open, schemas.lent() as another:
        assert another != schema
    with schemas.lent() as next_one:
        assert next_one == another, "a store that an earlier test left open costs only that test's schema"
