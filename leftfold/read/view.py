"""Views: questions about a read model, asked in SQLAlchemy Core and answered with its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from leftfold.database.protocol import Database, Row
from leftfold.database.stepping import step, step_each
from leftfold.errors import InvalidArgument, LeftfoldError, NotSupported, SchemaOutdated
from leftfold.read.amounts import check_amounts
from leftfold.read.as_of import as_of
from leftfold.read.comparing import Comparison, Difference, compare_rows, differences
from leftfold.read.compiling import Statement, compiled, result_loader
from leftfold.read.conditions import bound, conditions, order
from leftfold.read.declared import projection_of
from leftfold.read.definition import definition_of
from leftfold.read.history import History, Past
from leftfold.read.model import ReadModel
from leftfold.read.projection import Projection
from leftfold.read.reaching import wait_for
from leftfold.read.replaying import LIMIT_ROWS, Progress
from leftfold.read.scanning import in_key_order
from leftfold.read.tables import table_in

if TYPE_CHECKING:
    from leftfold.read.past_view import AsyncPastView, PastView

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
        self._get = compiled(sa.select(*self._columns).where(*by_key), database)

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
        select = select.limit(bound(limit, "limit")).offset(bound(offset, "offset"))
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

        What counts are the events that had occurred by ``at``, that the store had learnt by ``known_at``, and that
        stand in the log up to ``position``: at least one of these, and all that are given. ``projection`` says which
        one folds the model, where several do. ``progress`` is called with a `Replayed` after each page of the log.

        Kept for the next question, unless it is large; close the view, or use ``with``, and it is no longer yours.
        `ProjectionFailed`: the fold raised. `NotSupported`: there are more than ``limit_rows`` rows. `InvalidArgument`:
        a position beyond the head, or no way to tell which projection.
        """
        from leftfold.read.past_view import AsyncPastView

        past = await self._past(at, known_at, position, projection, limit_rows, progress)
        return AsyncPastView(past, self._model)

    async def compare(self, other: AsyncView[Model], *, sample: int = 20) -> Comparison[Model]:
        """How many rows changed from this view to the other, and the first ``sample`` of them: ``then.compare(now)``.

        Both are read in pages, in the order of keys. A view of now shows what is committed while it is read: compare
        with ``as_of(position=store.head())`` where the difference must be exact.
        """
        rows, others = self._rows(), self._checked(other)._rows()
        return await compare_rows(rows, others, self._definition, bound(sample, "sample") or 0)

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
            raise InvalidArgument(f"this view has no log to replay: ask store.view({name}).as_of(…)")
        asked, limit_rows = as_of(at, known_at, position), bound(limit_rows, "limit_rows") or 0
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

    def _statement(self, select: sa.Select[Any]) -> Statement:
        """Compiled, if it means the same on both back ends."""
        check_amounts(select)
        return compiled(select, self._database)

    async def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Wait until the read model shows everything up to a position, such as that of an `AppendResult`.

        `ProjectionBehind` (a TimeoutError) says after ``timeout`` seconds where it stands, and why.
        """
        await wait_for(self._database, self._definition.name, position, timeout)

    async def _run(self, statement: Statement, /, **values: Any) -> list[Row]:
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

    def __init__(self, database: Database, model: type[Model], history: History | None = None) -> None:
        self._view = AsyncView(database, model, history)

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

    def as_of(
        self,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
        position: int | None = None,
        projection: Projection[Model] | None = None,
        limit_rows: int = LIMIT_ROWS,
        progress: Progress | None = None,
    ) -> PastView[Model]:
        """This view as it was, replayed from the log into memory; see `AsyncView.as_of`."""
        from leftfold.read.past_view import PastView

        past = step(self._view._past(at, known_at, position, projection, limit_rows, progress))
        return PastView(past, self._view._model)

    def compare(self, other: View[Model], *, sample: int = 20) -> Comparison[Model]:
        """How many rows changed from this view to the other, and the first of them; see `AsyncView.compare`."""
        return step(self._view.compare(_inner(other), sample=sample))

    def differences(self, other: View[Model]) -> Iterator[Difference[Model]]:
        """Every row that changed from this view to the other, in the order of keys; see `AsyncView.differences`."""
        return step_each(self._view.differences(_inner(other)))


def _inner(view: Any) -> Any:
    if not isinstance(view, View):
        raise InvalidArgument(f"a view is compared with another view of the same door, not with {view!r}")
    return view._view
