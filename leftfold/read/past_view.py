"""Views of the past: the same questions, asked of a read model as it was."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.visitors import iterate

from leftfold.database.protocol import Row
from leftfold.database.sqlite import SqliteDatabase
from leftfold.database.stepping import step
from leftfold.database.url import SqliteUrl
from leftfold.errors import InvalidArgument, NotSupported, StoreUnavailable
from leftfold.read.compiling import Statement
from leftfold.read.history import Past
from leftfold.read.model import ReadModel
from leftfold.read.view import AsyncView, View

Model = TypeVar("Model", bound=ReadModel)


class AsyncPastView(AsyncView[Model]):
    """A read model as it was, from `AsyncView.as_of`. It lies in memory and stays as it is, whatever happens now."""

    def __init__(self, past: Past, model: type[Model]) -> None:
        super().__init__(past.database, model)
        self._past_of: Past | None = past
        self._position = past.position
        self._told = f"{model.__name__} {past.asked}, {past.rows:,} row{'' if past.rows == 1 else 's'}"

    @property
    def position(self) -> int:
        """Up to which position of the log events were asked whether they count."""
        return self._position

    def close(self) -> None:
        """Let go of the rows. They leave memory as soon as nobody else has asked for the same, now or lately."""
        self._past_of = None
        unopened = SqliteDatabase(SqliteUrl(None), self._database.waiting)  # speaks SQL, and holds nothing
        super().__init__(unopened, self._model)

    async def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Never waits: `InvalidArgument` for a position that this view does not reach: nothing is added to it."""
        if position > self._position:
            raise InvalidArgument(
                f"this view of the past ({self._told}) shows the log up to position {self._position} and will not get "
                f"to {position}: wait with the view of now"
            )

    def _statement(self, select: sa.Select[Any]) -> Statement:
        others = {one.name for one in iterate(select) if isinstance(one, sa.TableClause)} - {self._definition.name}
        if others:
            names = ", ".join(sorted(others))
            raise NotSupported(
                f"a view of the past has the table {self._definition.name} and no other, so {names} cannot be joined "
                "to it: ask each read model's own view as_of(…), and join in Python"
            )
        return super()._statement(select)

    async def _run(self, statement: Statement, /, **values: Any) -> list[Row]:
        if self._past_of is None:
            raise StoreUnavailable(f"this view of the past ({self._told}) is closed: ask for it again with as_of(…)")
        return await super()._run(statement, **values)

    def __repr__(self) -> str:
        return f"<{self._told}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PastView(View[Model]):
    """A read model as it was, from `View.as_of`. See `AsyncPastView`, whose sync face this is."""

    def __init__(self, past: Past, model: type[Model]) -> None:
        self._view: AsyncPastView[Model] = AsyncPastView(past, model)

    @property
    def position(self) -> int:
        """Up to which position of the log events were asked whether they count."""
        return self._view.position

    def wait_for(self, position: int, *, timeout: float = 5.0) -> None:
        """Never waits, because nothing is added to this view; see `AsyncPastView.wait_for`."""
        step(self._view.wait_for(position, timeout=timeout))

    def close(self) -> None:
        """Let go of the rows; see `AsyncPastView.close`."""
        self._view.close()

    def __repr__(self) -> str:
        return repr(self._view)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
