"""The SQL about processors: for each table a ``.sql`` file of named statements, filled in for a database."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from leftfold.database.protocol import Connection, Database, Dialect, Row
from leftfold.database.statements import NamedStatement, named_statements
from leftfold.follow.checkpoints import clock

File = Literal["generations", "partitions", "parked", "workers", "audit"]
_TABLES = ("projections", "partitions", "parked", "workers", "projection_acts")


class Statements:
    """The statements of one file, for one database."""

    def __init__(self, file: File, database: Database) -> None:
        self._by_name = _filled(file, database.dialect, tuple(database.table(name) for name in _TABLES))

    async def run(self, connection: Connection, statement: str, /, **values: Any) -> list[Row]:
        """Run one of them; its rows."""
        return await connection.execute(*self._by_name[statement].bind(**values))


@lru_cache(maxsize=1024)  # a store in tests has a schema of its own each time
def _filled(file: File, dialect: Dialect, tables: tuple[str, ...]) -> Mapping[str, NamedStatement]:
    words = {
        "now": clock.now(dialect),
        "ahead": clock.ahead(dialect),
        "false": "0" if dialect == "sqlite" else "false",
        "for_update": "" if dialect == "sqlite" else "FOR UPDATE",
    }
    return named_statements(__package__, file, dialect, **words, **dict(zip(_TABLES, tables, strict=True)))
