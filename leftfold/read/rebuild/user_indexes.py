"""What people have attached to live tables: their own indexes and grants go over to the new ones.

Views in PostgreSQL cannot: they are of a table and not of its name, and would go on showing the former rows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from uuid import uuid4

from leftfold.database.protocol import Connection, Database
from leftfold.errors import LeftfoldError, NotSupported
from leftfold.read.tables.catalog import named

_VIEWS = """
SELECT DISTINCT v.oid::regclass::text FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = to_regclass(%s) AND v.oid <> d.refobjid ORDER BY 1"""
_GRANTS = """
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass(%s) AND a.grantee <> c.relowner"""
_INDEXES = """
SELECT i.indisunique, split_part(
    pg_get_indexdef(i.indexrelid), ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(t.relname) || ' ', 2)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE i.indrelid = to_regclass(%s) AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY 2, 1"""
_SQLITE_INDEXES = (
    "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name"
)
logger = logging.getLogger("leftfold")

Index = tuple[bool, str]
"""Whether it is unique, and what of: ``USING btree (owner)``, ``(owner)``."""


class UserIndexes:
    """In one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, connection: Connection, tables: Iterable[str]) -> None:
        """`NotSupported` names the views on these tables, which they could not go from."""
        if self._database.dialect == "sqlite":  # whose views are of names
            return
        for table in tables:
            views = await connection.execute(_VIEWS, (named(self._database, table),))
            if views:
                names = ", ".join(name for (name,) in views)
                raise NotSupported(
                    f"the table {table} is read by views ({names}), which would go on showing its former rows when "
                    "another takes its name: drop them before, and create them again afterwards"
                )

    async def grant(self, connection: Connection, old: str, new: str) -> None:
        """Whoever may use the one table may use the other."""
        if self._database.dialect == "sqlite":
            return
        target = named(self._database, new)
        for privilege, grantee, is_grantable in await connection.execute(_GRANTS, (named(self._database, old),)):
            option = " WITH GRANT OPTION" if is_grantable else ""
            await connection.execute(f"GRANT {privilege} ON {target} TO {grantee}{option}")

    async def index(self, connection: Connection, old: str, new: str) -> None:
        """The one table's indexes for the other, if it has their columns. This takes its time: not in a transaction."""
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
            rows = await connection.execute(_INDEXES, (named(self._database, table),))
            return [(is_unique, what) for is_unique, what in rows]
        texts = [text for (text,) in await connection.execute(_SQLITE_INDEXES, (table,))]
        return [index for text in texts if (index := index_of(text, table)) is not None]


def index_of(sql: str, table: str) -> Index | None:
    """What SQLite has kept of an index on a table."""
    found = re.search(rf'\bON\s+["`\[]?{table}["`\]]?\s*(\(.*)', sql, re.IGNORECASE | re.DOTALL)
    return None if found is None else (sql.upper().startswith("CREATE UNIQUE"), found[1])
