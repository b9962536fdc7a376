"""The free form of a projection: its handler answers an event with SQLAlchemy Core statements over its own tables."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.events.query_text import query_text
from leftfold.follow.checkpoints.generation import Blueprint
from leftfold.follow.options import OnFailure, check_on_failure, check_version, event_types
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import ReadModel
from leftfold.read.model.table_names import check_table_name
from leftfold.read.projection.fingerprint import code_of, describe, fingerprint_of

Answer = sa.Executable | tuple[sa.Executable, Mapping[str, Any]]
"""A statement, or a statement with values for its parameters: the same object is compiled once and sent in bulk."""


class SqlProjection:
    """A projection whose handler yields statements, run in the transaction that moves its checkpoint: exactly once. ::

        class DailyTotals(lf.SqlProjection, tables=[daily_totals], category="BankAccount", on=[MoneyDeposited]):
            add = insert(daily_totals).on_conflict_do_update(…)   # sqlalchemy.dialects.postgresql's, on SQLite too

            def handle(self, recorded):
                yield self.add, {"day": recorded.occurred_at.date(), "total": recorded.event.amount}

    ``handle`` yields, or returns a list of, statements or ``(statement, values)``; all of a page are sent together. As
    ``async def handle(self, tx, recorded)`` it may also read: ``await tx.execute(select(…))`` runs at once and returns
    rows, behind the sync door, too. It must depend on the event and on its own tables only.

    ``tables`` are `sqlalchemy.Table`s without a schema or foreign keys, or `ReadModel` classes. They belong to this
    projection alone: the projector creates them, and a rebuild makes them anew. The other keywords are those of
    `projection`. Only one worker at a time runs it, because nothing tells which rows belong to which events.
    """

    tables: ClassVar[tuple[sa.Table, ...]] = ()
    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    category: ClassVar[str | None] = None
    on: ClassVar[tuple[Any, ...]] = ()
    on_failure: ClassVar[OnFailure] = "pause"
    can_be_split: ClassVar[bool] = False
    is_by_stream: ClassVar[bool] = False
    models: ClassVar[Mapping[str, type[ReadModel]]] = {}
    _code: ClassVar[str] = ""

    def __init_subclass__(
        cls,
        *,
        tables: Sequence[sa.Table | type[ReadModel]],
        category: str | None = None,
        on: Iterable[Any] | None = None,
        version: int = 1,
        name: str | None = None,
        on_failure: OnFailure = "pause",
    ) -> None:
        super().__init_subclass__()
        cls._code = "\n".join(
            code_of(base) for base in cls.__mro__ if issubclass(base, SqlProjection) and base is not SqlProjection
        )
        if isinstance(tables, (str, sa.Table)) or not tables:
            raise InvalidArgument(f"{cls.__name__}: tables is a list of its tables, not {tables!r}: write tables=[…]")
        models = {definition_of(table).name: table for table in tables if not isinstance(table, sa.Table)}
        cls.models = models
        cls.tables = tuple(table if isinstance(table, sa.Table) else definition_of(table).table for table in tables)
        for table in cls.tables:
            if table.name not in models:
                check_table(table, cls.__name__)
        cls.name = cls.__name__ if name is None else name
        cls.version = check_version(version)
        cls.category = category
        cls.on = event_types(on)
        cls.on_failure = check_on_failure(on_failure)
        if cls.on_failure == "park":
            raise InvalidArgument(
                f"{cls.__name__}: on_failure='park' is for keyed projections: nothing here tells which later events "
                "depend on the failed event"
            )

    def handle(self, *given: Any) -> Any:
        """``handle(self, recorded)``, or ``async def handle(self, tx, recorded)``: yours."""
        raise NotImplementedError(f"{type(self).__name__} has no handle(self, recorded)")

    @property
    def reads(self) -> bool:
        """Whether its handler reads the database."""
        return inspect.iscoroutinefunction(self.handle)

    @property
    def table_names(self) -> tuple[str, ...]:
        """The tables' names in their live role."""
        return tuple(str(table.name) for table in self.tables)

    def query(self, registry: Registry) -> Query:
        """The events that the projection is about."""
        return Query.of(*self.on, category=self.category, registry=registry)

    def blueprint(self, registry: Registry) -> Blueprint:
        """The blueprint of its rows. The fingerprint counts the class's source, attributes, columns and events."""
        query = query_text(self.query(registry))
        tables = [
            (table.name, [(c.name, str(c.type), c.nullable, c.primary_key) for c in table.columns])
            for table in self.tables
        ]
        fingerprint = fingerprint_of(self._code, describe(vars(self)), tables, query)
        return Blueprint(self.name, self.version, fingerprint, self.table_names, query)

    def __repr__(self) -> str:
        return f"<projection {self.name!r} version {self.version} of {', '.join(self.table_names)}>"


def statements_of(answer: Any, recorded: RecordedEvent) -> list[Answer]:
    """The statements of a handler's answer; `InvalidArgument` for anything else."""
    if answer is None:
        return []
    if isinstance(answer, AsyncIterator):
        raise InvalidArgument("an async handler awaits tx.execute(…) and yields nothing: take the yield out")
    statements = [answer] if isinstance(answer, sa.Executable) or _has_values(answer) else list(answer)
    for statement in statements:
        if not isinstance(statement, sa.Executable) and not _has_values(statement):
            raise InvalidArgument(
                f"answered {recorded.type!r} with {statement!r}: expected a SQLAlchemy statement, or (statement, "
                "values)"
            )
    return statements


def _has_values(statement: Any) -> bool:
    return (
        isinstance(statement, tuple)
        and len(statement) == 2
        and isinstance(statement[0], sa.Executable)
        and isinstance(statement[1], Mapping)
    )


def check_table(table: sa.Table, owner: str) -> None:
    """`InvalidArgument` if the projection could not own the table, or a rebuild not make it anew."""
    check_table_name(table.name, owner)
    if table.schema is not None:
        raise InvalidArgument(f"{owner}: the table {table.name} names a schema: it lives in the store's, leave it out")
    if table.foreign_keys:
        raise InvalidArgument(
            f"{owner}: the table {table.name} has foreign keys: a rebuild makes a projection's tables anew beside the "
            "old tables, and could not keep them"
        )
