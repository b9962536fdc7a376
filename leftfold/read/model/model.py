"""A read model: what a question needs, one row per key. A frozen Struct for Python, and a table for the database."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar, dataclass_transform

import msgspec
import sqlalchemy as sa

from leftfold.errors import InvalidArgument
from leftfold.read.model.definition import Definition, definition_of
from leftfold.read.model.fields import KeyMarker

KeyType = TypeVar("KeyType")

Key = Annotated[KeyType, KeyMarker()]
"""Marks a read model's key: ``account_id: lf.Key[str]``. To a type checker it is the type inside."""


class ModelColumns:
    """The columns of a read model, by attribute, for conditions and orders: ``AccountSummary.c.balance > 100``."""

    __slots__ = ("_definition",)

    def __init__(self, definition: Definition) -> None:
        self._definition = definition

    def __getattr__(self, name: str) -> sa.Column[Any]:
        try:
            return self._definition.table.c[name]
        except KeyError:
            columns = ", ".join(self._definition.table.c.keys())
            raise AttributeError(
                f"{self._definition.model.__name__} has no column {name!r}; its columns are {columns}"
            ) from None

    def __dir__(self) -> list[str]:
        return list(self._definition.table.c.keys())


class ReadModelMeta(msgspec.StructMeta):
    """Takes the table's name from the class statement, and gives the class its columns."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        table: str | None = None,
        frozen: bool = True,
    ) -> ReadModelMeta:
        if not frozen:
            raise InvalidArgument(f"{name}: a row is changed by row.replace(…) only; frozen=False is refused")
        if "replace" in namespace.get("__annotations__", {}):
            raise InvalidArgument(f"{name}: a field cannot be named replace, because row.replace(…) changes a row")
        return super().__new__(mcls, name, bases, {**namespace, "__table_name__": table}, frozen=True)

    @property
    def c(cls) -> ModelColumns:  # noqa: N805 - a metaclass's instance is a class
        """The columns, as SQLAlchemy knows them."""
        return ModelColumns(definition_of(cls))


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class ReadModel(msgspec.Struct, metaclass=ReadModelMeta, frozen=True):
    """The base of read models: ``class AccountSummary(lf.ReadModel): account_id: lf.Key[str]; owner: str``.

    The table is named after the class (``account_summary``) unless ``table="…"`` says otherwise. A field is a str, int
    (64 bits), bool, float, Decimal, datetime (aware), date, UUID, bytes, Enum or Literal, or any of these ``| None``;
    lists, dicts and Structs are kept as JSON. A Decimal has 19 digits, 4 of them after the point, unless
    ``Annotated[Decimal, lf.Digits(…)]`` says otherwise. Values are checked when a projection writes the row.
    """

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; TypeError for a field that the model does not have."""
        return msgspec.structs.replace(self, **changes)
