"""A read model's table on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leftfold.database.protocol import Statement
from leftfold.read.tables.table import ReadTable, to_json


class SqliteTable(ReadTable):
    """In SQLite."""

    def fetch_statement(self, keys: Sequence[Any]) -> Statement:
        columns = ", ".join(f"t.{column}" for column in self._columns)
        matches = " AND ".join(f"t.{column} = json_extract(k.value, '$[{at}]')" for at, column in enumerate(self._key))
        return Statement(
            f"SELECT {columns} FROM json_each(?) AS k CROSS JOIN {self.name} AS t WHERE {matches}",
            (to_json([self._key_values(key) for key in keys]).decode(),),
        )

    def write_statement(self, rows: Sequence[Any]) -> Statement:
        marks = ", ".join("?" * len(self._columns))
        return Statement(
            f"INSERT INTO {self.name} ({', '.join(self._columns)}) VALUES ({marks}) {self._on_conflict()}",
            [self._dump(row) for row in rows],
            many=True,
        )

    def delete_statement(self, keys: Sequence[Any]) -> Statement:
        matches = " AND ".join(f"{column} = ?" for column in self._key)
        return Statement(f"DELETE FROM {self.name} WHERE {matches}", [self._key_values(key) for key in keys], many=True)
