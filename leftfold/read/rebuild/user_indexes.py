"""What users have attached to live tables: their own indexes and grants go over to the new tables.

Views in PostgreSQL cannot: a view reads a table and not its name, and would go on showing the former rows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from functools import cache
from uuid import uuid4

from leftfold.database.protocol import Connection, Database, Dialect, Row
from leftfold.database.statements import NamedStatement, named_statements
from leftfold.errors import LeftfoldError, NotSupported
from leftfold.read.tables.catalog import named

logger = logging.getLogger("leftfold")

Index = tuple[bool, str]
"""Whether it is unique, and its definition behind the table: ``USING btree (owner)``, ``(owner)``."""


class UserIndexes:
    """The indexes and grants of users in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, connection: Connection, tables: Iterable[str]) -> None:
        """`NotSupported` names the views on these tables."""
        if self._database.dialect == "sqlite":  # where a view reads a name
            return
        for table in tables:
            views = await self._run(connection, "views", named(self._database, table))
            if views:
                names = ", ".join(name for (name,) in views)
                raise NotSupported(
                    f"the table {table} is read by views ({names}), which would go on showing its former rows when "
                    "another takes its name: drop them before, and create them again afterwards"
                )

    async def grant(self, connection: Connection, old: str, new: str) -> None:
        """Give every role the privileges on the new table that it has on the old one."""
        if self._database.dialect == "sqlite":
            return
        target = named(self._database, new)
        for privilege, grantee, is_grantable in await self._run(connection, "grants", named(self._database, old)):
            option = " WITH GRANT OPTION" if is_grantable else ""
            await connection.execute(f"GRANT {privilege} ON {target} TO {grantee}{option}")

    async def index(self, connection: Connection, old: str, new: str) -> None:
        """Make the old table's indexes on the new one, if it has their columns. Slow, so in no transaction."""
        there = await self._indexes(connection, new)
        for is_unique, what in await self._indexes(connection, old):
            if (is_unique, what) in there:
                continue
            unique = "UNIQUE " if is_unique else ""
            name = f"{new[:40]}_{uuid4().hex[:12]} " if self._database.dialect == "sqlite" else ""
            try:
                await connection.execute(f"CREATE {unique}INDEX {name}ON {named(self._database, new)} {what}")
            except LeftfoldError:
                raise
            except Exception as error:
                logger.warning("the new table %s does not get the index %s%s of %s: %s", new, unique, what, old, error)

    async def _indexes(self, connection: Connection, table: str) -> list[Index]:
        if self._database.dialect == "postgresql":
            rows = await self._run(connection, "postgresql_indexes", named(self._database, table))
            return [(is_unique, what) for is_unique, what in rows]
        texts = [text for (text,) in await self._run(connection, "sqlite_indexes", table)]
        return [index for text in texts if (index := index_of(text, table)) is not None]

    async def _run(self, connection: Connection, name: str, table: str) -> list[Row]:
        return await connection.execute(*_statements(self._database.dialect)[name].bind(table=table))


@cache
def _statements(dialect: Dialect) -> Mapping[str, NamedStatement]:
    return named_statements(__package__, "user_indexes", dialect)


def index_of(sql: str, table: str) -> Index | None:
    """An index from the text in which SQLite keeps it; None if that is not about the table."""
    found = re.search(rf'\bON\s+["`\[]?{table}["`\]]?\s*(\(.*)', sql, re.IGNORECASE | re.DOTALL)
    return None if found is None else (sql.upper().startswith("CREATE UNIQUE"), found[1])
