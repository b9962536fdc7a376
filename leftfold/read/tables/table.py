"""Read-model tables: the few statements that a projector runs for every page, in each dialect.

They are written by hand, because they carry a page. PostgreSQL takes all its rows as one JSON parameter, at a fraction
of the cost of a statement for each row. That is exact, since Decimals travel as strings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from leftfold.database.protocol import Connection, Database, Statement
from leftfold.errors import ProcessorOutdated
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.definition import Definition, Rows
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.tables.catalog import existing_columns
from leftfold.read.tables.compiler import sqlalchemy_dialect

to_json = msgspec.json.Encoder().encode


class ReadTable(ABC):
    """The table of one read model in one database."""

    def __init__(self, database: Database, definition: Definition, role: Role) -> None:
        self.definition = definition
        self._database = database
        self.plain_name = definition.name + SUFFIX[role]
        self._dialect = sqlalchemy_dialect(database.dialect)
        schema: Any = database.schema
        self._table = definition.table.to_metadata(sa.MetaData(), schema=schema, name=self.plain_name)
        self.name = self._dialect.identifier_preparer.format_table(self._table)
        """As SQL says it."""
        self._columns = [_quoted(field.name) for field in definition.fields]
        self._key = [self._columns[index] for index in definition.key]
        self._dump = definition.dumper(database.dialect)
        self._dump_key = [definition.fields[index].type.to_driver(database.dialect) for index in definition.key]
        self._load = definition.loader(database.dialect)

    @abstractmethod
    def fetch_statement(self, keys: Sequence[Any]) -> Statement:
        """Fetch the rows of these keys, for `loaded`."""

    @abstractmethod
    def write_statement(self, rows: Sequence[Any]) -> Statement:
        """Insert rows, or replace those with the same key."""

    @abstractmethod
    def delete_statement(self, keys: Sequence[Any]) -> Statement:
        """Delete the rows of these keys."""

    def loaded(self, keys: Iterable[Any], fetched: Iterable[tuple[Any, ...]]) -> Rows:
        """The rows of these keys, with None for a key that has none."""
        rows: Rows = dict.fromkeys(keys)
        for row in map(self._load, fetched):
            rows[self.definition.key_of(row)] = row
        return rows

    async def fetch(self, connection: Connection, keys: Sequence[Any]) -> Rows:
        """Fetch the rows of these keys."""
        [fetched] = await connection.execute_all([self.fetch_statement(keys)])
        return self.loaded(keys, fetched)

    async def write(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Insert rows, or replace those with the same key."""
        await connection.execute_all([self.write_statement(rows)])

    async def delete(self, connection: Connection, keys: Sequence[Any]) -> None:
        """Delete the rows of these keys."""
        await connection.execute_all([self.delete_statement(keys)])

    def expected(self) -> dict[str, str]:
        """The columns of the model: declared type, NOT NULL, place in the key."""
        compiler: Any = self._dialect.type_compiler_instance
        return {
            field.name: _described(compiler.process(field.type), not field.nullable, self._place_in_key(at))
            for at, field in enumerate(self.definition.fields)
        }

    async def existing(self, connection: Connection) -> dict[str, str]:
        """The columns that the database has, each described as in `expected`; none if there is no table."""
        found = await existing_columns(connection, self._database, self.plain_name, self.name)
        return {name: _described(kind, required, place) for name, kind, required, place in found}

    async def create(self, connection: Connection) -> None:
        """Create the table."""
        await connection.execute(str(CreateTable(self._table).compile(dialect=self._dialect)))

    async def drop(self, connection: Connection) -> None:
        """Drop the table with its rows, if it exists."""
        await connection.execute(f"DROP TABLE IF EXISTS {self.name}")

    async def is_empty(self, connection: Connection) -> bool:
        """Whether there is no row."""
        return not await connection.execute(f"SELECT 1 FROM {self.name} LIMIT 1")

    async def check(self, connection: Connection) -> bool:
        """Whether the table is there; `ProcessorOutdated` if its columns are not the model's."""
        existing, expected = await self.existing(connection), self.expected()
        if existing and existing != expected:
            raise ProcessorOutdated(
                f"the table {self.name} does not fit {self.definition.model.__name__}: "
                f"{'; '.join(_differences(existing, expected))}. Rebuild it from history: give the projection its next "
                "version= and projector.rebuild(name), or projector.reset(name), then projector.catch_up()"
            )
        return bool(existing)

    def _place_in_key(self, at: int) -> int:
        return self.definition.key.index(at) + 1 if at in self.definition.key else 0

    def _key_values(self, key: Any) -> list[Any]:
        values = self.definition.key_values(key)
        return [convert(value) if convert else value for convert, value in zip(self._dump_key, values, strict=True)]

    def _on_conflict(self) -> str:
        others = [column for column in self._columns if column not in self._key]
        updates = ", ".join(f"{column} = excluded.{column}" for column in others)
        return f"ON CONFLICT ({', '.join(self._key)}) DO {f'UPDATE SET {updates}' if others else 'NOTHING'}"


def _described(kind: str, required: bool, place_in_key: int) -> str:
    key = f", key {place_in_key}" if place_in_key else ""
    return f"{kind.lower().replace(', ', ',')}{' not null' if required else ''}{key}"


def _differences(existing: dict[str, str], expected: dict[str, str]) -> list[str]:
    return [
        f"column {name} is {existing.get(name, 'missing')}, expected {expected.get(name, 'no such column')}"
        for name in {**expected, **existing}
        if existing.get(name) != expected.get(name)
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class ModelTable(Protocol):
    """One table of a read model, for making and checking it."""

    @property
    def name(self) -> str:
        """As SQL says it."""

    def expected(self) -> dict[str, str]:
        """The columns of the model."""

    async def existing(self, connection: Connection) -> dict[str, str]:
        """The columns that the database has; none if there is no table."""

    async def check(self, connection: Connection) -> bool:
        """Whether the table exists; `ProcessorOutdated` if its columns are not the model's."""

    async def create(self, connection: Connection) -> None:
        """Create the table."""

    async def drop(self, connection: Connection) -> None:
        """Drop the table with its rows, if it exists."""

    async def is_empty(self, connection: Connection) -> bool:
        """Whether there is no row."""
