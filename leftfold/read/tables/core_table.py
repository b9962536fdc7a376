"""Tables of a user's own, as SQLAlchemy knows them: made, checked and dropped for a generation of their projection."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from leftfold.database.protocol import Connection, Database
from leftfold.errors import ProcessorOutdated
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.tables.catalog import existing_columns, name_is_free
from leftfold.read.tables.compiler import sqlalchemy_dialect


class SqlTable:
    """One table. What is checked are its columns' names, whether they may be null, and the key."""

    def __init__(self, database: Database, table: sa.Table, role: Role) -> None:
        self._database = database
        self._dialect = sqlalchemy_dialect(database.dialect)
        self._role = role
        self.plain_name = table.name + SUFFIX[role]
        schema: Any = database.schema
        self.table = table.to_metadata(sa.MetaData(), schema=schema, name=self.plain_name)
        self.name = self._dialect.identifier_preparer.format_table(self.table)

    def expected(self) -> dict[str, str]:
        key = list(self.table.primary_key.columns)
        return {
            column.name: _described(not column.nullable, key.index(column) + 1 if column in key else 0)
            for column in self.table.c
        }

    async def existing(self, connection: Connection) -> dict[str, str]:
        found = await existing_columns(connection, self._database, self.plain_name, self.name)
        return {name: _described(required or bool(place), place) for name, _, required, place in found}

    async def check(self, connection: Connection) -> bool:
        existing, expected = await self.existing(connection), self.expected()
        if existing and existing != expected:
            differing = [name for name in {**expected, **existing} if existing.get(name) != expected.get(name)]
            raise ProcessorOutdated(
                f"the table {self.name} has other columns than its projection's: "
                + "; ".join(
                    f"{name} is {existing.get(name, 'missing')}, expected {expected.get(name, 'no such column')}"
                    for name in differing
                )
                + ". Rebuild it from history: give the projection its next version= and projector.rebuild(name), or "
                "projector.reset(name), then projector.catch_up()"
            )
        return bool(existing)

    async def create(self, connection: Connection) -> None:
        for constraint in self.table.constraints:  # names that all tables share, also those of other generations
            if constraint.name is not None and not await self._is_free(connection, constraint.name):
                constraint.name = None
        await connection.execute(str(CreateTable(self.table).compile(dialect=self._dialect)))
        for index in self.table.indexes:
            if not await self._is_free(connection, index.name):
                index.name = sa.quoted_name(f"{self.plain_name[:40]}_{uuid4().hex[:12]}", None)
            await connection.execute(str(CreateIndex(index).compile(dialect=self._dialect)))

    async def drop(self, connection: Connection) -> None:
        await connection.execute(f"DROP TABLE IF EXISTS {self.name}")

    async def _is_free(self, connection: Connection, name: Any) -> bool:
        return self._role == "live" and await name_is_free(connection, self._database, str(name))

    async def is_empty(self, connection: Connection) -> bool:
        return not await connection.execute(f"SELECT 1 FROM {self.name} LIMIT 1")


def _described(required: bool, place_in_key: int) -> str:
    key = f", key {place_in_key}" if place_in_key else ""
    return f"{'not null' if required else 'nullable'}{key}"
