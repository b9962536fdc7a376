"""All rows of a read model's table, in the order of keys, in keyset pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from leftfold.database.protocol import Database, Row
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.definition import Definition
from leftfold.read.model.table_names import SUFFIX
from leftfold.read.tables.compiler import CompiledStatement, compile_clause

_PAGE_ROWS = 1_000


class Run(Protocol):
    """Runs a statement with values for its parameters, on a connection of its choice."""

    async def __call__(self, statement: CompiledStatement, /, **values: Any) -> list[Row]: ...


async def in_key_order(run: Run, database: Database, definition: Definition, role: Role = "live") -> AsyncIterator[Any]:
    """Every row of a generation's table."""
    table = definition.table.to_metadata(sa.MetaData(), name=definition.name + SUFFIX[role])
    columns = list(table.c)
    key = [columns[index] for index in definition.key]
    values = [sa.bindparam(column.name, type_=column.type) for column in key]
    select = sa.select(*columns).order_by(*key).limit(_PAGE_ROWS)
    following = compile_clause(select.where(sa.tuple_(*key) > sa.tuple_(*values)), database)
    load = definition.loader(database.dialect)
    page = await run(compile_clause(select, database))
    while page:
        rows = [load(row) for row in page]
        for row in rows:
            yield row
        if len(rows) < _PAGE_ROWS:
            return
        page = await run(following, **_bound(key, definition.key_values(definition.key_of(rows[-1]))))


def _bound(key: list[Any], values: tuple[Any, ...]) -> Mapping[str, Any]:
    return {column.name: value for column, value in zip(key, values, strict=True)}
