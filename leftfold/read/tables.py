"""Read-model tables: the few statements that a projector runs for every page, in each dialect.

These are written by hand, because they carry a page: PostgreSQL takes all its rows as one JSON parameter, which costs a
fraction of one statement for each row, and is exact since Decimals travel as strings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from leftfold.database.protocol import Connection, Database, Statement
from leftfold.errors import SchemaOutdated
from leftfold.read.columns import BytesType, MomentType, TextType
from leftfold.read.compiling import sqlalchemy_dialect
from leftfold.read.definition import Definition
from leftfold.read.folding import Rows
from leftfold.read.generations import SUFFIX, Role

_to_json = msgspec.json.Encoder().encode


def table_in(database: Database, definition: Definition, role: Role = "live") -> ReadTable:
    """The table of a read model in a database, for a generation in that role."""
    return (SqliteTable if database.dialect == "sqlite" else PostgresqlTable)(database, definition, role)


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
        self._columns = [_quoted(one.name) for one in definition.fields]
        self._key = [self._columns[index] for index in definition.key]
        self._dump = definition.dumper(database.dialect)
        self._dump_key = [definition.fields[index].type.to_driver(database.dialect) for index in definition.key]
        self._load = definition.loader(database.dialect)

    @abstractmethod
    def fetching(self, keys: Sequence[Any]) -> Statement:
        """What fetches the rows of these keys, for `loaded`."""

    @abstractmethod
    def writing(self, rows: Sequence[Any]) -> Statement:
        """What inserts rows, or replaces those with the same key."""

    @abstractmethod
    def deleting(self, keys: Sequence[Any]) -> Statement:
        """What deletes the rows of these keys."""

    def loaded(self, keys: Iterable[Any], fetched: Iterable[tuple[Any, ...]]) -> Rows:
        """The rows of these keys, with None for a key that has none."""
        rows: Rows = dict.fromkeys(keys)
        for row in map(self._load, fetched):
            rows[self.definition.key_of(row)] = row
        return rows

    async def fetch(self, connection: Connection, keys: Sequence[Any]) -> Rows:
        """Fetch the rows of these keys."""
        [fetched] = await connection.execute_all([self.fetching(keys)])
        return self.loaded(keys, fetched)

    async def write(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Insert rows, or replace those with the same key."""
        await connection.execute_all([self.writing(rows)])

    async def delete(self, connection: Connection, keys: Sequence[Any]) -> None:
        """Delete the rows of these keys."""
        await connection.execute_all([self.deleting(keys)])

    def expected(self) -> dict[str, str]:
        """The columns that the model asks for: declared type, NOT NULL, place in the key."""
        compiler: Any = self._dialect.type_compiler_instance
        return {
            one.name: _described(compiler.process(one.type), not one.nullable, self._place_in_key(at))
            for at, one in enumerate(self.definition.fields)
        }

    async def existing(self, connection: Connection) -> dict[str, str]:
        """The columns that the database has, each described as in `expected`; none if there is no table."""
        found = await existing_columns(connection, self._database, self.plain_name, self.name)
        return {name: _described(kind, required, place) for name, kind, required, place in found}

    async def create(self, connection: Connection) -> None:
        """Create the table."""
        await connection.execute(str(CreateTable(self._table).compile(dialect=self._dialect)))

    async def drop(self, connection: Connection) -> None:
        """Drop the table with its rows, if there is one."""
        await connection.execute(f"DROP TABLE IF EXISTS {self.name}")

    async def is_empty(self, connection: Connection) -> bool:
        """Whether there is no row."""
        return not await connection.execute(f"SELECT 1 FROM {self.name} LIMIT 1")

    async def check(self, connection: Connection) -> bool:
        """Whether the table is there; `SchemaOutdated` if its columns are not the model's."""
        existing, expected = await self.existing(connection), self.expected()
        if existing and existing != expected:
            raise SchemaOutdated(
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
        others = [one for one in self._columns if one not in self._key]
        updates = ", ".join(f"{one} = excluded.{one}" for one in others)
        return f"ON CONFLICT ({', '.join(self._key)}) DO {f'UPDATE SET {updates}' if others else 'NOTHING'}"


class SqliteTable(ReadTable):
    """In SQLite."""

    def fetching(self, keys: Sequence[Any]) -> Statement:
        columns = ", ".join(f"t.{one}" for one in self._columns)
        matches = " AND ".join(f"t.{one} = json_extract(k.value, '$[{at}]')" for at, one in enumerate(self._key))
        return Statement(
            f"SELECT {columns} FROM json_each(?) AS k CROSS JOIN {self.name} AS t WHERE {matches}",
            (_to_json([self._key_values(key) for key in keys]).decode(),),
        )

    def writing(self, rows: Sequence[Any]) -> Statement:
        marks = ", ".join("?" * len(self._columns))
        return Statement(
            f"INSERT INTO {self.name} ({', '.join(self._columns)}) VALUES ({marks}) {self._on_conflict()}",
            [self._dump(row) for row in rows],
            many=True,
        )

    def deleting(self, keys: Sequence[Any]) -> Statement:
        matches = " AND ".join(f"{one} = ?" for one in self._key)
        return Statement(f"DELETE FROM {self.name} WHERE {matches}", [self._key_values(key) for key in keys], many=True)


class PostgresqlTable(ReadTable):
    """In PostgreSQL.

    A row is fetched for each key by itself, along the primary key: left to choose, the planner scans a whole table of
    some thousand rows for a handful of keys.
    """

    def __init__(self, database: Database, definition: Definition, role: Role) -> None:
        super().__init__(database, definition, role)
        keys, rows = self._recordset(definition.key, "k"), self._recordset(range(len(self._columns)), "r")
        columns = ", ".join(self._columns)
        self._fetch = (
            f"SELECT {', '.join(f't.{one}' for one in self._columns)} FROM {keys} "
            f"CROSS JOIN LATERAL (SELECT * FROM {self.name} t WHERE {self._same_key()} LIMIT 1) t"
        )
        self._write = f"INSERT INTO {self.name} ({columns}) SELECT {columns} FROM {rows} {self._on_conflict()}"
        self._moments = _moments_in_json(definition)
        self._plain_key = _plain_key(definition)
        self._delete = f"DELETE FROM {self.name} t USING {keys} WHERE {self._same_key()}"

    def fetching(self, keys: Sequence[Any]) -> Statement:
        return Statement(self._fetch, (self._keys_as_json(keys),))

    def writing(self, rows: Sequence[Any]) -> Statement:
        if self._are_json(rows):
            text = _to_json(rows).decode()
        else:
            text = self._as_json(range(len(self._columns)), map(self._dump, rows))
        return Statement(self._write, (text,))

    def deleting(self, keys: Sequence[Any]) -> Statement:
        return Statement(self._delete, (self._keys_as_json(keys),))

    def _are_json(self, rows: Sequence[Any]) -> bool:
        """Whether they need no conversion on their way: then msgspec writes them at once, in a fraction of the time."""
        return self._moments is not None and all(
            value is None or value.tzinfo is UTC for moment in self._moments for value in map(moment, rows)
        )

    def _recordset(self, indexes: Iterable[int], alias: str) -> str:
        compiler: Any = self._dialect.type_compiler_instance
        typed = (f"{self._columns[at]} {compiler.process(self.definition.fields[at].type)}" for at in indexes)
        return f"json_to_recordset(%s::json) AS {alias}({', '.join(typed)})"

    def _same_key(self) -> str:
        return " AND ".join(f"t.{one} = k.{one}" for one in self._key)

    def _keys_as_json(self, keys: Iterable[Any]) -> str:
        if self._plain_key is None:
            return self._as_json(self.definition.key, map(self._key_values, keys))
        return _to_json([{self._plain_key: key} for key in keys]).decode()

    def _as_json(self, indexes: Iterable[int], rows: Iterable[list[Any]]) -> str:
        fields = [self.definition.fields[at] for at in indexes]
        names = [one.name for one in fields]
        binary = [at for at, one in enumerate(fields) if isinstance(one.type, BytesType)]
        records = []
        for row in rows:
            for at in binary:
                if row[at] is not None:
                    row[at] = f"\\x{row[at].hex()}"
            records.append(dict(zip(names, row, strict=True)))
        return _to_json(records).decode()


async def existing_columns(
    connection: Connection, database: Database, plain_name: str, name: str
) -> list[tuple[str, str, bool, int]]:
    """Name, declared type, NOT NULL and place in the key of each column of a table; none if there is none."""
    if database.dialect == "sqlite":
        sql = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
        return [
            (one, kind, bool(required), key)
            for one, kind, required, key in await connection.execute(sql, (plain_name,))
        ]
    return [(one, kind, required, key) for one, kind, required, key in await connection.execute(_PG_COLUMNS, (name,))]


_PG_COLUMNS = """
SELECT a.attname,
       format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE "' || c.collname || '"', ''),
       a.attnotnull,
       coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)
FROM pg_attribute a
LEFT JOIN pg_collation c ON c.oid = a.attcollation AND c.collname <> 'default'
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""  # an int2vector counts from 0


def _plain_key(definition: Definition) -> str | None:
    """The name of the one field that is the key, if that needs no conversion on its way, as a stream's id does not."""
    fields = [definition.fields[at] for at in definition.key]
    return fields[0].name if len(fields) == 1 and isinstance(fields[0].type, TextType) else None


def _moments_in_json(definition: Definition) -> list[Callable[[Any], Any]] | None:
    """The fields of a row that must be in UTC for its JSON to be what its columns take; None if it never is."""
    names = [one.encode_name for one in msgspec.structs.fields(definition.model)]
    config = definition.model.__struct_config__
    if names != [one.name for one in definition.fields] or config.omit_defaults or config.array_like:
        return None
    moments = [one for one in definition.fields if isinstance(one.type, MomentType)]
    if any(
        isinstance(one.type, BytesType) or one.type.to_driver("postgresql") is not None
        for one in definition.fields
        if one not in moments
    ):
        return None
    return [attrgetter(one.name) for one in moments]


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
