"""The compiler: SQLAlchemy Core writes the SQL, our own connections run it, types convert parameters and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from leftfold.database.protocol import Database, Dialect
from leftfold.read.model.columns import ColumnType


@cache
def sqlalchemy_dialect(name: Dialect) -> sa.Dialect:
    """SQLAlchemy's dialect, with the parameter marks of our connections."""
    if name == "sqlite":
        made: Any = sqlite.dialect
    else:
        from sqlalchemy.dialects.postgresql import psycopg  # late: it takes as long to import as leftfold itself

        made = psycopg.dialect
    dialect: sa.Dialect = made(paramstyle="qmark" if name == "sqlite" else "format")
    return dialect


class CompiledStatement:
    """A compiled statement. Tables without a schema are those in ``schema``."""

    def __init__(self, clause: ClauseElement, dialect: Dialect, schema: str | None = None) -> None:
        self._dialect = sqlalchemy_dialect(dialect)
        translated = {None: schema} if schema else None
        self._compiled: Any = clause.compile(
            dialect=self._dialect, schema_translate_map=translated, render_schema_translate=translated is not None
        )

    def bind(self, **values: Any) -> tuple[str, list[Any]]:
        """The SQL and its parameters in order; ``values`` are for the statement's named parameters."""
        compiled: SQLCompiler = self._compiled
        expanded = compiled.construct_expanded_state(values)
        origin = {mark: name for name, several in expanded.parameter_expansion.items() for mark in several}
        parameters = [
            self._converted(compiled.binds[origin.get(name, name)].type, expanded.parameters[name])
            for name in expanded.positiontup or ()
        ]
        sql = expanded.statement
        if not parameters and self._dialect.name == "postgresql":
            sql = sql.replace("%%", "%")  # psycopg does not look for marks when there are no parameters
        return sql, parameters

    def _converted(self, kind: TypeEngine[Any], value: Any) -> Any:
        convert = kind.dialect_impl(self._dialect).bind_processor(self._dialect)
        return convert(value) if convert else value


def compile_clause(clause: ClauseElement, database: Database) -> CompiledStatement:
    """Compile for a database. Tables without a schema are in the database's own."""
    return CompiledStatement(clause, database.dialect, database.schema)


def result_loader(kinds: Sequence[TypeEngine[Any]], dialect: Dialect) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Makes the fetched values of columns of these types Python values."""
    steps = [_from_driver(kind, dialect) for kind in kinds]

    def load(fetched: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            value if value is None or convert is None else convert(value)
            for value, convert in zip(fetched, steps, strict=True)
        )

    return load


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    if isinstance(kind, ColumnType):
        return kind.from_driver(dialect)
    if dialect == "postgresql":
        return None  # psycopg's own values are what SQLAlchemy's types stand for
    known = sqlalchemy_dialect(dialect)
    return kind.dialect_impl(known).result_processor(known, None)
