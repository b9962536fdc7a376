"""The maintainers of a `SqlProjection`: its handler's statements run in order, in the transaction of the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from leftfold.database.protocol import Connection, Database, Row
from leftfold.errors import ProcessorFailed, StoreUnavailable
from leftfold.events import RecordedEvent
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.projection.fold import failed
from leftfold.read.projection.sql import SqlProjection
from leftfold.read.tables.compiler import CompiledStatement, compile_clause, result_loader

_MOST_COMPILED = 200


@dataclass(frozen=True, slots=True)
class Prepared:
    """The events of a page, and the statements that they have led to: event, SQL, parameters."""

    events: int
    failure: ProcessorFailed | None
    page: Sequence[RecordedEvent]
    sql: Sequence[tuple[RecordedEvent, str, Sequence[Any]]] = ()


class Compiler:
    """Compiles statements over the projection's tables to SQL over those of a generation, and caches the SQL."""

    def __init__(self, projection: SqlProjection, database: Database, role: Role) -> None:
        self._database = database
        self._kept: dict[int, tuple[Any, CompiledStatement]] = {}
        self._in_role = _in_role(projection.tables, role)

    def compiled(self, statement: Any, *, keep: bool) -> CompiledStatement:
        kept = self._kept.get(id(statement))
        if kept is not None:
            return kept[1]
        made = compile_clause(self._in_role(statement), self._database)
        if keep and len(self._kept) < _MOST_COMPILED:
            self._kept[id(statement)] = (statement, made)  # the statement too, so that its id stays its own
        return made


class StatementMaintainer:
    """For a handler that returns statements: those of a whole page are known before the transaction begins."""

    def __init__(self, projection: SqlProjection, database: Database, role: Role) -> None:
        self._projection = projection
        self._compiler = Compiler(projection, database, role)

    async def prepare(self, events: Sequence[RecordedEvent]) -> Prepared:
        from leftfold.read.projection.sql import statements_of

        sql: list[tuple[RecordedEvent, str, Sequence[Any]]] = []
        for number, recorded in enumerate(events):
            try:
                statements = statements_of(self._projection.handle(recorded), recorded)
                sql += [(recorded, *self._bound(statement)) for statement in statements]
            except Exception as error:
                sql = [entry for entry in sql if entry[0] is not recorded]
                return Prepared(number, failed(self._projection.name, recorded, error), events[:number], sql)
        return Prepared(len(events), None, events, sql)

    async def write(self, connection: Connection, change: Prepared) -> None:
        if not change.sql:
            return
        await connection.execute("SAVEPOINT page")
        try:
            for text, run in groupby(change.sql, key=lambda entry: entry[1]):
                await connection.execute_many(text, [parameters for _, _, parameters in run])
        except Exception as error:
            _raise_if_unavailable(error)
            await connection.execute("ROLLBACK TO SAVEPOINT page")
            await self._find(connection, change)
        await connection.execute("RELEASE SAVEPOINT page")

    async def _find(self, connection: Connection, change: Prepared) -> None:
        """Run the statements again, each by itself, to find the event that led to the refused one."""
        for recorded, text, parameters in change.sql:
            try:
                await connection.execute(text, parameters)
            except Exception as error:
                _raise_if_unavailable(error)
                raise failed(self._projection.name, recorded, error) from error

    def committed(self, change: Prepared) -> None:
        return

    def forget(self) -> None:
        return

    def _bound(self, returned: Any) -> tuple[str, Sequence[Any]]:
        statement, values = returned if isinstance(returned, tuple) else (returned, {})
        return self._compiler.compiled(statement, keep=isinstance(returned, tuple)).bind(**values)


class QueryMaintainer:
    """For a handler that queries the database: it runs inside the transaction, event by event."""

    def __init__(self, projection: SqlProjection, database: Database, role: Role) -> None:
        self._projection = projection
        self._database = database
        self._compiler = Compiler(projection, database, role)

    async def prepare(self, events: Sequence[RecordedEvent]) -> Prepared:
        return Prepared(len(events), None, events)

    async def write(self, connection: Connection, change: Prepared) -> None:
        tx = ProjectionTransaction(connection, self._database, self._compiler)
        for recorded in change.page:
            try:
                await self._projection.handle(tx, recorded)
            except Exception as error:
                _raise_if_unavailable(error)
                raise failed(self._projection.name, recorded, error) from error

    def committed(self, change: Prepared) -> None:
        return

    def forget(self) -> None:
        return


class ProjectionTransaction:
    """The transaction of a page, for an async handler."""

    def __init__(self, connection: Connection, database: Database, compiler: Compiler) -> None:
        self._connection = connection
        self._database = database
        self._compiler = compiler

    async def execute(self, statement: sa.Executable, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a SQLAlchemy Core statement, with values for its parameters; the rows that it gives."""
        rows = await self._connection.execute(
            *self._compiler.compiled(statement, keep=values is not None).bind(**(values or {}))
        )
        if not isinstance(statement, sa.Select):
            return rows
        load = result_loader([column.type for column in statement.selected_columns], self._database.dialect)
        return [load(row) for row in rows]


def _in_role(tables: Sequence[sa.Table], role: Role) -> Callable[[Any], Any]:
    if role == "live":
        return lambda statement: statement
    twins = {table: table.to_metadata(sa.MetaData(), name=table.name + SUFFIX[role]) for table in tables}

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, sa.Column):
            twin = twins.get(element.table) if isinstance(element.table, sa.Table) else None
            return None if twin is None else twin.c[element.key]
        return twins.get(element) if isinstance(element, sa.Table) else None

    return lambda statement: visitors.replacement_traverse(statement, {}, replace)


def _raise_if_unavailable(error: Exception) -> None:
    """Raise what is not the event's fault: the store is away, or this transaction collided with another."""
    if isinstance(error, StoreUnavailable):
        raise error
    if str(getattr(error, "sqlstate", None) or "").startswith("40"):
        raise StoreUnavailable(f"the transaction of a page collided with another one: {error}") from error
