"""Migrations: numbered .sql files, an object each, applied in order under a lock and recorded in the database.

``migrate="create"`` makes what is missing in an empty database and never upgrades: a deployment decides when its schema
changes. The files can be printed, for teams whose migrations are Alembic's or Django's.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from leftfold.database.protocol import Connection, Database, Dialect
from leftfold.errors import InvalidArgument, SchemaOutdated
from leftfold.events import moment

Policy = Literal["create", "upgrade", "never"]


@dataclass(frozen=True, slots=True)
class Migration:
    """A step: its number, its name and its SQL, with ``{schema}`` still to be filled in."""

    number: int
    name: str
    sql: str


@cache
def migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """All steps for a dialect, in order."""
    folder = files("leftfold.schema") / dialect
    found = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(
        Migration(int(name[:4]), name[5:].removesuffix(".sql"), entry.read_text("utf-8")) for name, entry in found
    )


def migration_sql(dialect: Dialect, schema: str | None) -> str:
    """The whole script, as ``leftfold migrate --sql`` prints it; run it in one transaction."""
    steps = migrations(dialect)
    table = f"{schema}.migrations" if schema else "leftfold_migrations"
    parts = [_preparation(dialect, schema)]
    for step in steps:
        parts.append(f"-- {step.number:04} {step.name}\n{_filled(step, schema)}")
        parts.append(f"INSERT INTO {table} VALUES ({step.number}, '{step.name}', CURRENT_TIMESTAMP);\n")
    return "\n".join(parts)


async def migrate(database: Database, policy: Policy, place: str) -> list[Migration]:
    """Apply the steps that the policy allows, and check the schema; returns the applied steps.

    `SchemaOutdated` if the database is behind and may not be changed, or was made by newer code.
    """
    if policy not in get_args(Policy):
        raise InvalidArgument(f"migrate is one of {', '.join(map(repr, get_args(Policy)))}, not {policy!r}")
    if not (missing := _judge(await applied(database), database.dialect, policy, place)):
        return []
    async with database.transaction() as connection:
        await _prepare(connection, database)
        missing = _judge(await _recorded(connection, database), database.dialect, policy, place)
        # A single script takes a third less time than step by step.
        script = "\n".join(_filled(step, database.schema) for step in missing)
        await _run_script(connection, database.dialect, script)
        mark, now = "?" if database.dialect == "sqlite" else "%s", moment.to_text(datetime.now(UTC))
        await connection.execute_many(
            f"INSERT INTO {database.table('migrations')} VALUES ({mark}, {mark}, {mark})",
            [(step.number, step.name, now) for step in missing],
        )
    return missing


async def applied(database: Database) -> list[int]:
    """The numbers of the applied steps; none if the database has no tables of leftfold's."""
    async with database.connection() as connection:
        if database.dialect == "sqlite":
            exists = await connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'leftfold_migrations'")
        else:
            exists = await connection.execute(
                "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'migrations'",
                (database.schema,),
            )
        return await _recorded(connection, database) if exists else []


async def _run_script(connection: Connection, dialect: Dialect, script: str) -> None:
    """PostgreSQL takes a whole script, SQLite a statement at a time: its executescript would commit first."""
    if dialect == "postgresql":
        await connection.execute(script)
        return
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            await connection.execute(statement)
            statement = ""


def _judge(done: list[int], dialect: Dialect, policy: Policy, place: str) -> list[Migration]:
    steps = migrations(dialect)
    newest = steps[-1].number
    if done and max(done) > newest:
        raise SchemaOutdated(
            f"the schema in {place} is at step {max(done)}, and this version of leftfold knows steps up to {newest}: "
            "newer code has upgraded it; upgrade leftfold here too"
        )
    missing = [step for step in steps if step.number not in done]
    if not missing or policy == "upgrade" or (policy == "create" and not done):
        return missing
    state = f"is at step {max(done)} of {newest}" if done else "has no tables of leftfold's"
    raise SchemaOutdated(f"the database {place} {state}: run `leftfold migrate {place}`")


async def _prepare(connection: Connection, database: Database) -> None:
    """Take the lock (SQLite's transaction is a lock) and make the table of steps."""
    if database.dialect == "postgresql":
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"leftfold {database.schema}",)
        )
    await _run_script(connection, database.dialect, _preparation(database.dialect, database.schema))


def _preparation(dialect: Dialect, schema: str | None) -> str:
    columns = "(\n    number     int  PRIMARY KEY,\n    name       text NOT NULL,\n    applied_at text NOT NULL\n);\n"
    if dialect == "sqlite":
        return f"CREATE TABLE IF NOT EXISTS leftfold_migrations {columns}"
    return f"CREATE SCHEMA IF NOT EXISTS {schema};\nCREATE TABLE IF NOT EXISTS {schema}.migrations {columns}"


async def _recorded(connection: Connection, database: Database) -> list[int]:
    return [row[0] for row in await connection.execute(f"SELECT number FROM {database.table('migrations')}")]


def _filled(step: Migration, schema: str | None) -> str:
    return step.sql.replace("{schema}", schema or "")
