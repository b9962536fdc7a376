"""The SQL of this back end: its files, and its words for a query."""

from __future__ import annotations

from functools import partial

from leftfold.database import statements as sql
from leftfold.database.postgresql.database import PostgresqlDatabase
from leftfold.log.select import Columns, SqlDialect

COLUMNS: dict[Columns, str] = {
    "all": (
        "e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data, e.metadata, NULLIF(e.tags, '{}'), "
        "e.occurred_at, e.recorded_at"
    ),
    "fold": "e.position, e.version, e.type, e.schema_version, e.data",
}

_statement = partial(sql.statement, "leftfold.log.postgresql")


def statement(name: str, database: PostgresqlDatabase) -> str:
    """The text of ``name``.sql for the database's schema."""
    return _statement(name, database.url.schema)


def sql_dialect(database: PostgresqlDatabase) -> SqlDialect:
    """The words for queries over the database's events."""
    return SqlDialect(
        events=database.table("events"),
        event_tags=database.table("event_tags"),
        columns=COLUMNS["all"],
        mark="%s",
        moment_mark="%s::timestamptz",
        id=lambda id: id,
    )
