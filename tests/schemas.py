"""Schemas of PostgreSQL, lent to one test after the other: wiping one takes far less time than making one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal

import leftfold as lf

SEEDS = [
    seed
    for file in sorted((Path(lf.__file__).parent / "schema" / "postgresql").glob("*.sql"))
    for seed in re.findall(r"^INSERT INTO .*?;$", file.read_text(), re.MULTILINE | re.DOTALL)
]
"""The rows that the schema's own files put in."""

LARGE = 2_000_000
"""A schema with more bytes than this is not used again: dead rows would slow down what comes after."""

ENDING_SECONDS = 0.3
"""The server notices the end of a session a moment after the client has closed it; a loaded machine takes longer."""

_SESSIONS = """
SELECT pid, backend_start FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

_CATALOGUE = """
WITH mine AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = {schema}::regnamespace)
SELECT 'schema' AS kind, '' AS name, nspacl::text AS told FROM pg_namespace WHERE oid = {schema}::regnamespace
UNION ALL
SELECT 'relation ' || relkind::text, relname::text, concat_ws(' ', relacl, reloptions, relpersistence, relrowsecurity)
  FROM mine WHERE relkind <> 'i'
UNION ALL
SELECT 'column of ' || relname, attname::text,
       concat_ws(' ', a.atttypid::regtype, a.attnotnull, a.attcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid))
  FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid
  LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (mine.oid, attnum)
 WHERE relkind <> 'i' AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'index of ' || relname, x.indexrelid::regclass::text, concat_ws(' ', x.indisvalid, pg_get_indexdef(x.indexrelid))
  FROM mine JOIN pg_index x ON x.indrelid = mine.oid
UNION ALL
SELECT 'constraint of ' || relname, conname::text, pg_get_constraintdef(k.oid)
  FROM mine JOIN pg_constraint k ON k.conrelid = mine.oid
UNION ALL
SELECT 'trigger of ' || relname, tgname::text, concat_ws(' ', tgenabled, tgtype, tgfoid::regproc)
  FROM mine JOIN pg_trigger t ON t.tgrelid = mine.oid WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, concat_ws(' ', prosrc, proconfig, proacl, prosecdef, provolatile, prolang)
  FROM pg_proc WHERE pronamespace = {schema}::regnamespace
UNION ALL
SELECT 'migration', concat_ws(' ', number, name), '' FROM {migrations}
UNION ALL
SELECT 'type', typname::text, typtype::text
  FROM pg_type WHERE typnamespace = {schema}::regnamespace AND typrelid = 0 AND typelem = 0
"""

_HELD_AND_SIZE = """
WITH mine AS (SELECT oid FROM pg_class c WHERE c.relnamespace = {schema}::regnamespace AND relkind IN ('r', 'i', 'S'))
SELECT (SELECT count(*) FROM pg_locks l
         WHERE CASE WHEN l.locktype = 'advisory' THEN l.classid ELSE l.relation END IN (SELECT oid FROM mine)
           AND l.pid <> pg_backend_pid()
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())),
       (SELECT sum(pg_relation_size(oid)) FROM mine)
"""

_DROPS = {
    "relation r": SQL("TABLE"),
    "relation v": SQL("VIEW"),
    "relation m": SQL("MATERIALIZED VIEW"),
    "relation S": SQL("SEQUENCE"),
}

Catalogue = dict[tuple[str, str], str]


class Schemas:
    """The schemas of one database. A schema that a test has left in doubt is thrown away: the next is a new one."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._numbers = count(1)
        self._wiped: list[str] = []
        self._original: Catalogue = {}
        self._connection = psycopg.connect(database, autocommit=True, row_factory=tuple_row)

    def close(self) -> None:
        self._connection.close()

    def url(self, schema: str) -> str:
        """How a store names it."""
        return f"{self._database}{'&' if '?' in self._database else '?'}schema={schema}"

    def fresh(self) -> str:
        """The name of a schema that does not exist yet."""
        return f"test_{next(self._numbers)}"

    @contextmanager
    def lent(self) -> Iterator[str]:
        """A schema as a new one is; afterwards it is wiped for the next, if it can be."""
        schema = self._wiped.pop() if self._wiped else self._new()
        before = self._sessions()
        yield schema
        if self._have_ended_since(before) and self.wipe(schema):
            self._wiped.append(schema)

    def catalogue(self, schema: str) -> Catalogue:
        """Everything that the schema has, by kind and name, without the schema's own name."""
        rows = self._connection.execute(
            SQL(_CATALOGUE).format(schema=Literal(schema), migrations=Identifier(schema, "migrations"))
        ).fetchall()
        return {(kind, self._plain(name, schema)): self._plain(told or "", schema) for kind, name, told in rows}

    def wipe(self, schema: str) -> bool:
        """Make it as it was when it was made. False if it cannot be: then it is of no more use."""
        try:
            found = self.catalogue(schema)
            if self._drop_what_was_added(schema, found):
                found = self.catalogue(schema)
            if found != self._original or self._is_held_or_large(schema):
                return False
            self._empty(schema)
        except (psycopg.OperationalError, psycopg.ProgrammingError):
            return False
        return True

    def _new(self) -> str:
        schema = self.fresh()
        lf.connect(self.url(schema)).close()
        if not self._original:
            self._original = self.catalogue(schema)
        return schema

    def _sessions(self) -> set[tuple[object, ...]]:
        return set(self._connection.execute(_SESSIONS).fetchall())

    def _have_ended_since(self, before: set[tuple[object, ...]]) -> bool:
        """Whether every session that a test began has ended. A store left open, or a worker that a thread still runs,
        holds no lock while it is idle, and would write into the next test's schema."""
        deadline = time.monotonic() + ENDING_SECONDS
        try:
            while self._sessions() - before:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.001)
        except psycopg.OperationalError:
            return False
        return True

    def _drop_what_was_added(self, schema: str, found: Catalogue) -> bool:
        """Drop a test's own relations; whether there were any. Anything else that it added stays, and is found."""
        added = sorted(found.keys() - self._original.keys())
        drops = [SQL("DROP {} IF EXISTS {} CASCADE").format(_DROPS[kind], Identifier(schema, name))
                 for kind, name in added if kind in _DROPS]  # fmt: skip
        if drops:
            with self._connection.transaction():
                self._connection.execute("SET LOCAL lock_timeout = '1s'; SET LOCAL client_min_messages = warning")
                self._connection.execute(SQL("; ").join(drops))
        return bool(drops)

    def _is_held_or_large(self, schema: str) -> bool:
        """Whether a test left a session that holds locks, or wrote very much."""
        [(held, size)] = self._connection.execute(SQL(_HELD_AND_SIZE).format(schema=Literal(schema))).fetchall()
        return bool(held) or size > LARGE

    def _empty(self, schema: str) -> None:
        tables = [name for kind, name in self._original if kind == "relation r" and name != "migrations"]
        statements = [SQL("DELETE FROM {}").format(Identifier(schema, table)) for table in tables]
        statements += [SQL(seed).format(schema=Identifier(schema)) for seed in SEEDS]
        statements.append(SQL("SELECT setval({}::regclass, 1, false)").format(Literal(f"{schema}.position")))
        with self._connection.transaction():
            self._connection.execute("SET LOCAL lock_timeout = '1s'; SET LOCAL session_replication_role = replica")
            self._connection.execute(SQL("; ").join(statements))

    @staticmethod
    def _plain(text: str, schema: str) -> str:
        return re.sub(rf"\b{schema}\b", "@", text)
