"""A read model's table on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from operator import attrgetter
from typing import Any

import msgspec

from leftfold.database.protocol import Database, Statement
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.columns import BytesType, MomentType, TextType
from leftfold.read.model.definition import Definition
from leftfold.read.tables.table import ReadTable, to_json


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
            f"SELECT {', '.join(f't.{column}' for column in self._columns)} FROM {keys} "
            f"CROSS JOIN LATERAL (SELECT * FROM {self.name} t WHERE {self._same_key()} LIMIT 1) t"
        )
        self._write = f"INSERT INTO {self.name} ({columns}) SELECT {columns} FROM {rows} {self._on_conflict()}"
        self._moments = _moments_in_json(definition)
        self._plain_key = _plain_key(definition)
        self._delete = f"DELETE FROM {self.name} t USING {keys} WHERE {self._same_key()}"

    def fetch_statement(self, keys: Sequence[Any]) -> Statement:
        return Statement(self._fetch, (self._keys_as_json(keys),))

    def write_statement(self, rows: Sequence[Any]) -> Statement:
        if self._are_json(rows):
            text = to_json(rows).decode()
        else:
            text = self._as_json(range(len(self._columns)), map(self._dump, rows))
        return Statement(self._write, (text,))

    def delete_statement(self, keys: Sequence[Any]) -> Statement:
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
        return " AND ".join(f"t.{column} = k.{column}" for column in self._key)

    def _keys_as_json(self, keys: Iterable[Any]) -> str:
        if self._plain_key is None:
            return self._as_json(self.definition.key, map(self._key_values, keys))
        return to_json([{self._plain_key: key} for key in keys]).decode()

    def _as_json(self, indexes: Iterable[int], rows: Iterable[list[Any]]) -> str:
        fields = [self.definition.fields[at] for at in indexes]
        names = [field.name for field in fields]
        binary = [at for at, field in enumerate(fields) if isinstance(field.type, BytesType)]
        records = []
        for row in rows:
            for at in binary:
                if row[at] is not None:
                    row[at] = f"\\x{row[at].hex()}"
            records.append(dict(zip(names, row, strict=True)))
        return to_json(records).decode()


def _plain_key(definition: Definition) -> str | None:
    """The name of the one field that is the key, if that needs no conversion on its way, as a stream's id does not."""
    fields = [definition.fields[at] for at in definition.key]
    return fields[0].name if len(fields) == 1 and isinstance(fields[0].type, TextType) else None


def _moments_in_json(definition: Definition) -> list[Callable[[Any], Any]] | None:
    """The fields of a row that must be in UTC for its JSON to be what its columns take; None if it never is."""
    names = [field.encode_name for field in msgspec.structs.fields(definition.model)]
    config = definition.model.__struct_config__
    if names != [field.name for field in definition.fields] or config.omit_defaults or config.array_like:
        return None
    moments = [field for field in definition.fields if isinstance(field.type, MomentType)]
    if any(
        isinstance(field.type, BytesType) or field.type.to_driver("postgresql") is not None
        for field in definition.fields
        if field not in moments
    ):
        return None
    return [attrgetter(field.name) for field in moments]
