"""The sync faces of views: the same questions, stepped in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from leftfold.database.protocol import Database
from leftfold.doors.step import step, step_each
from leftfold.errors import InvalidArgument
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.comparison import Comparison, Difference
from leftfold.read.view.history import History, Past
from leftfold.read.view.replay import LIMIT_ROWS, Progress
from leftfold.read.view.view import AsyncPastView, AsyncView, Order

Model = TypeVar("Model", bound=ReadModel)


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
