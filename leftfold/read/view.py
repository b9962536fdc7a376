"""Views: questions about a read model, asked in SQLAlchemy Core and answered with its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from leftfold.database.protocol import Database, Row
from leftfold.database.stepping import step
from leftfold.errors import InvalidArgument, LeftfoldError, NotSupported, SchemaOutdated
from leftfold.read.amounts import check_amounts
from leftfold.read.compiling import Statement, result_loader
from leftfold.read.definition import definition_of
from leftfold.read.model import ReadModel
from leftfold.read.reaching import wait_for
from leftfold.read.tables import table_in

Model = TypeVar("Model", bound=ReadModel)

Order = ColumnElement[Any] | Sequence[ColumnElement[Any]] | None
"""A column, ``column.desc()``, or several of these; what is equal so far is ordered by key."""


class AsyncView(Generic[Model]):
    """A read model, to ask questions of, for asyncio. `View` is its sync face. It shows what is committed."""

    def __init__(self, database: Database, model: type[Model]) -> None:
        self._database = database
        self._model = model
        self._definition = definition_of(model)
        self._table = table_in(database, self._definition)
        self._load = self._definition.loader(database.dialect)
        self._columns = list(self._definition.table.c)
        self._key = [self._columns[index] for index in self._definition.key]
        by_key = (column == sa.bindparam(column.name, type_=column.type) for column in self._key)
        self._get = Statement(sa.select(*self._columns).where(*by_key), database)

    async def get(self, key: Any) -> Model | None:
        """The row of a key (a tuple if several fields make it), or None."""
        values = self._definition.key_values(key)
        names = [column.name for column in self._key]
        rows = await self._run(self._get, **dict(zip(names, values, strict=True)))
        return self._load(rows[0]) if rows else None

    async def find(
        self,
        *where: ColumnElement[bool],
        order_by: Order = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Model]:
        """The rows for which every condition holds, such as ``AccountSummary.c.balance > 100``, in order.

        Comparing and ordering mean the same on both back ends; None comes before every value, and last with
        ``.desc()``. `NotSupported` for arithmetic with Decimals that would not. LIKE and functions other than sum, min,
        max, count and coalesce are the database's own: SQLite's LIKE ignores the case of ASCII letters.
        """
        select = sa.select(*self._columns).where(*_conditions(where)).order_by(*_order(order_by), *self._key)
        select = select.limit(_bound(limit, "limit")).offset(_bound(offset, "offset"))
        check_amounts(select)
        return [self._load(row) for row in await self._run(Statement(select, self._database))]

    async def count(self, *where: ColumnElement[bool]) -> int:
        """How many rows there are for which every condition holds."""
        select = sa.select(sa.func.count()).select_from(self._definition.table).where(*_conditions(where))
        check_amounts(select)
        [(count,)] = await self._run(Statement(select, self._database))
        return int(count)

    async def select(self, statement: sa.SelectBase) -> list[tuple[Any, ...]]:
        """The rows of any ``sqlalchemy.select(…)`` over this read model, and others: sums, groups, joins. ::

            view.select(sqlalchemy.select(sqlalchemy.func.sum(AccountSummary.c.balance)))

        Values come back as their columns' types, a sum of Decimals as a Decimal. A table without a schema of its own
        is looked for among the read models. `NotSupported` for what would not mean the same on both back ends.
        """
        if not isinstance(statement, sa.Select):
            raise InvalidArgument(
                f"expected a sqlalchemy.select(…), not {statement!r}; rows are written by projections"
            )
        check_amounts(statement)
        load = result_loader([column.type for column in statement.selected_columns], self._database.dialect)
        return [load(row) for row in await self._run(Statement(statement, self._database))]

    async def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Wait until the read model shows everything up to a position, such as that of an `AppendResult`.

        `ProjectionBehind` (a TimeoutError) says after ``timeout`` seconds where it stands, and why.
        """
        await wait_for(self._database, self._definition.name, position, timeout)

    async def _run(self, statement: Statement, **values: Any) -> list[Row]:
        sql, parameters = statement.bind(**values)
        try:
            async with self._database.connection() as connection:
                return await connection.execute(sql, parameters)
        except LeftfoldError:
            raise
        except Exception as error:
            await self._explain(error)
            raise

    async def _explain(self, error: Exception) -> None:
        """A statement's failure in words, where the table or the back end is the reason."""
        if "integer overflow" in str(error):
            raise NotSupported(
                "a sum of this query does not fit the 64 bits that SQLite has for it: sum fewer rows, or sum in Python"
            ) from error
        async with self._database.connection() as connection:
            if not await self._table.check(connection):
                raise SchemaOutdated(
                    f"there is no table {self._table.name} for {self._model.__name__} yet: the projector makes it. Run "
                    "store.projector([…]).catch_up() with its projection first"
                ) from error


class View(Generic[Model]):
    """A read model, to ask questions of. See `AsyncView`, whose sync face this is."""

    def __init__(self, database: Database, model: type[Model]) -> None:
        self._view = AsyncView(database, model)

    def get(self, key: Any) -> Model | None:
        """The row of a key (a tuple if several fields make it), or None."""
        return step(self._view.get(key))

    def find(
        self,
        *where: ColumnElement[bool],
        order_by: Order = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Model]:
        """The rows for which every condition holds, in order; see `AsyncView.find`."""
        return step(self._view.find(*where, order_by=order_by, limit=limit, offset=offset))

    def count(self, *where: ColumnElement[bool]) -> int:
        """How many rows there are for which every condition holds."""
        return step(self._view.count(*where))

    def select(self, statement: sa.SelectBase) -> list[tuple[Any, ...]]:
        """The rows of any SELECT over this read model; see `AsyncView.select`."""
        return step(self._view.select(statement))

    def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Wait until the read model shows everything up to a position; see `AsyncView.wait_for`."""
        step(self._view.wait_for(position, timeout=timeout))


def _conditions(where: Sequence[Any]) -> Sequence[ColumnElement[bool]]:
    for one in where:
        if not isinstance(one, ColumnElement):
            raise InvalidArgument(
                f"a condition is made of columns, such as AccountSummary.c.balance > 100, not {one!r}"
            )
    return where


def _order(order_by: Any) -> list[ColumnElement[Any]]:
    several = [] if order_by is None else list(order_by) if isinstance(order_by, (list, tuple)) else [order_by]
    for one in several:
        if not isinstance(one, ColumnElement):
            raise InvalidArgument(f"an order is a column, or column.desc(), not {one!r}")
    return [_with_nulls_lowest(one) for one in several]


def _with_nulls_lowest(element: ColumnElement[Any]) -> ColumnElement[Any]:
    """None is less than every value, as it is in SQLite and not in PostgreSQL, unless the order says otherwise."""
    modifier = element.modifier if isinstance(element, UnaryExpression) else None
    if modifier in (operators.nulls_first_op, operators.nulls_last_op):
        return element
    return element.nulls_last() if modifier is operators.desc_op else element.nulls_first()


def _bound(value: int | None, name: str) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
        raise InvalidArgument(f"{name} is a whole number from 0, not {value!r}")
    return value
