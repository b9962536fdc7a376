"""Views: questions about a read model, asked in SQLAlchemy Core and answered with its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.visitors import iterate

from leftfold.arguments import whole_number
from leftfold.database.protocol import Database, Row
from leftfold.database.sqlite.database import SqliteDatabase
from leftfold.database.url import SqliteUrl
from leftfold.errors import (
    InvalidArgument,
    InvalidState,
    LeftfoldError,
    NotSupported,
    ProcessorOutdated,
    StoreUnavailable,
)
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.decorator import projection_of
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.comparison import Comparison, Difference, compare_rows, differences
from leftfold.read.tables.compiler import CompiledStatement, compile_clause, result_loader
from leftfold.read.tables.scan import in_key_order
from leftfold.read.tables.tables import table_in
from leftfold.read.view.as_of import as_of
from leftfold.read.view.clauses import check_amounts, conditions, order
from leftfold.read.view.history import History, Past
from leftfold.read.view.replay import LIMIT_ROWS, Progress
from leftfold.read.view.wait import wait_for

Model = TypeVar("Model", bound=ReadModel)

Order = ColumnElement[Any] | Sequence[ColumnElement[Any]] | None
"""A column, ``column.desc()``, or several of these; what is equal so far is ordered by key."""


class AsyncView(Generic[Model]):
    """A read model, to ask questions of, for asyncio. `View` is its sync face. It shows what is committed."""

    def __init__(self, database: Database, model: type[Model], history: History | None = None) -> None:
        self._database = database
        self._model = model
        self._history = history
        self._definition = definition_of(model)
        self._table = table_in(database, self._definition)
        self._load = self._definition.loader(database.dialect)
        self._columns = list(self._definition.table.c)
        self._key = [self._columns[index] for index in self._definition.key]
        by_key = (column == sa.bindparam(column.name, type_=column.type) for column in self._key)
        self._get = compile_clause(sa.select(*self._columns).where(*by_key), database)

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
        select = sa.select(*self._columns).where(*conditions(where)).order_by(*order(order_by), *self._key)
        select = select.limit(_count(limit, "limit")).offset(_count(offset, "offset"))
        return [self._load(row) for row in await self._run(self._statement(select))]

    async def count(self, *where: ColumnElement[bool]) -> int:
        """How many rows there are for which every condition holds."""
        select = sa.select(sa.func.count()).select_from(self._definition.table).where(*conditions(where))
        [(count,)] = await self._run(self._statement(select))
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
        compiled = self._statement(statement)
        load = result_loader([column.type for column in statement.selected_columns], self._database.dialect)
        return [load(row) for row in await self._run(compiled)]

    async def as_of(
        self,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
        position: int | None = None,
        projection: Projection[Model] | None = None,
        limit_rows: int = LIMIT_ROWS,
        progress: Progress | None = None,
    ) -> AsyncPastView[Model]:
        """This view as it was: the same questions, asked of rows that are replayed from the log into memory. ::

            view.as_of(at=datetime(2026, 1, 16, tzinfo=UTC)).get("alice")

        An event counts if it had occurred by ``at``, the store had learnt it by ``known_at``, and it stands in the log
        up to ``position``; give at least one of these. ``projection`` is the fold to use, where several fold the model.
        ``progress`` is called with a `Replayed` after each page of the log.

        The rows are kept for the next question, unless they are many. Close the view, or use ``with``, to let them go.
        `ProcessorFailed`: the fold raised. `NotSupported`: there are more than ``limit_rows`` rows. `InvalidState`: the
        position is beyond the head. `InvalidArgument`: several projections fold the model, or none does.
        """
        past = await self._past(at, known_at, position, projection, limit_rows, progress)
        return AsyncPastView(past, self._model)

    async def compare(self, other: AsyncView[Model], *, sample: int = 20) -> Comparison[Model]:
        """How many rows changed from this view to the other, and the first ``sample`` of them: ``then.compare(now)``.

        Both are read in pages, in the order of keys. A view of now shows what is committed while it is read: compare
        with ``as_of(position=store.head())`` where the difference must be exact.
        """
        rows, others = self._rows(), self._checked(other)._rows()
        return await compare_rows(rows, others, self._definition, whole_number(sample, "sample", least=0))

    def differences(self, other: AsyncView[Model]) -> AsyncIterator[Difference[Model]]:
        """Every row that changed from this view to the other, in the order of keys; see `compare`."""
        return differences(self._rows(), self._checked(other)._rows(), self._definition)

    async def _past(
        self,
        at: datetime | None,
        known_at: datetime | None,
        position: int | None,
        projection: Projection[Model] | None,
        limit_rows: int,
        progress: Progress | None,
    ) -> Past:
        if self._history is None:
            name = self._model.__name__
            raise InvalidState(f"this view has no log to replay: ask store.view({name}).as_of(…)")
        asked, limit_rows = as_of(at, known_at, position), whole_number(limit_rows, "limit_rows", least=0)
        folds = projection_of(self._model, projection)
        return await self._history.past(folds, asked, limit_rows=limit_rows, progress=progress)

    def _checked(self, other: AsyncView[Model]) -> AsyncView[Model]:
        if not isinstance(other, AsyncView) or other._model is not self._model:
            raise InvalidArgument(
                f"a view of {self._model.__name__} is compared with another of the same, not {other!r}"
            )
        return other

    def _rows(self) -> AsyncIterator[Model]:
        """Every row in the order of keys, in keyset pages."""
        return in_key_order(self._run, self._database, self._definition)

    def _statement(self, select: sa.Select[Any]) -> CompiledStatement:
        """CompiledStatement, if it means the same on both back ends."""
        check_amounts(select)
        return compile_clause(select, self._database)

    async def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Wait until the read model shows everything up to a position, such as that of an `AppendResult`.

        `ProjectionBehind` (a TimeoutError) says after ``timeout`` seconds where it stands, and why.
        """
        await wait_for(self._database, self._definition.name, position, timeout)

    async def _run(self, statement: CompiledStatement, /, **values: Any) -> list[Row]:
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
                raise ProcessorOutdated(
                    f"there is no table {self._table.name} for {self._model.__name__} yet: the projector makes it. Run "
                    "store.projector([…]).catch_up() with its projection first"
                ) from error


class AsyncPastView(AsyncView[Model]):
    """A read model as it was, from `AsyncView.as_of`. It lies in memory and stays as it is, whatever happens now."""

    def __init__(self, past: Past, model: type[Model]) -> None:
        super().__init__(past.database, model)
        self._past_of: Past | None = past
        self._position = past.position
        self._description = f"{model.__name__} {past.asked}, {past.rows:,} row{'' if past.rows == 1 else 's'}"

    @property
    def position(self) -> int:
        """The position of the log up to which events counted."""
        return self._position

    def close(self) -> None:
        """Let go of the rows. They leave memory when no other view, and no recent question, shares them."""
        self._past_of = None
        unopened = SqliteDatabase(SqliteUrl(None), self._database.waiting)  # speaks SQL, and holds nothing
        super().__init__(unopened, self._model)

    async def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Never waits: nothing is added to this view. `InvalidArgument` for a position beyond it."""
        if position > self._position:
            raise InvalidArgument(
                f"this view of the past ({self._description}) shows the log up to position {self._position} and will "
                f"not get to {position}: wait with the view of now"
            )

    def _statement(self, select: sa.Select[Any]) -> CompiledStatement:
        others = {table.name for table in iterate(select) if isinstance(table, sa.TableClause)} - {
            self._definition.name
        }
        if others:
            names = ", ".join(sorted(others))
            raise NotSupported(
                f"a view of the past has the table {self._definition.name} and no other, so {names} cannot be joined "
                "to it: ask each read model's own view as_of(…), and join in Python"
            )
        return super()._statement(select)

    async def _run(self, statement: CompiledStatement, /, **values: Any) -> list[Row]:
        if self._past_of is None:
            raise StoreUnavailable(
                f"this view of the past ({self._description}) is closed: ask for it again with as_of(…)"
            )
        return await super()._run(statement, **values)

    def __repr__(self) -> str:
        return f"<{self._description}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _count(value: int | None, name: str) -> int | None:
    return None if value is None else whole_number(value, name, least=0)
