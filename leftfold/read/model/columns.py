"""Columns that mean the same on both back ends.

A column type says which Python values it takes, what each is in SQLite and in PostgreSQL, and how it comes back. A
value that either back end could not keep exactly is refused on both. On SQLite the declared type (``UTC_TEXT``,
``SCALEDINT(19, 4)``) also says how to read its values: a change of meaning shows in the table itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from leftfold.errors import InvalidArgument
from leftfold.events import moment

MAX_INTEGER = 2**63 - 1

Conversion = Callable[[Any], Any]


class ColumnType(TypeDecorator[Any]):
    """One kind of value. ``check`` refuses every other; the conversions take and return only what passes it."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.Text
    cache_ok = True

    expected: str
    """What the column takes, in words."""
    sqlite: TypeEngine[Any]
    postgresql: TypeEngine[Any]

    def check(self, value: Any) -> None:
        """`InvalidArgument` unless the column can keep the value and give it back equal."""
        raise NotImplementedError

    def to_driver(self, dialect: str) -> Conversion | None:
        """How a value that is not None becomes a parameter; None if it needs no conversion."""
        return None

    def from_driver(self, dialect: str) -> Conversion | None:
        """How a fetched value that is not NULL becomes a Python value; None if it needs no conversion."""
        return None

    def as_parameter(self, value: Any) -> Any:
        """What a query may compare the column with, as a value of the column."""
        return value

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return self.sqlite if dialect.name == "sqlite" else self.postgresql

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        value = self.as_parameter(value)
        self.check(value)
        convert = self.to_driver(dialect.name)
        return convert(value) if convert else value

    def refuse(self, value: Any, why: str = "") -> InvalidArgument:
        """The error for a value that the column does not take."""
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
        return InvalidArgument(f"expected {self.expected}, found {shown}{why and f': {why}'}")


class DeclaredType(UserDefinedType[Any]):
    """An SQLite type by its declaration. Its affinity follows: SQLite looks for INT and TEXT inside the name."""

    cache_ok = True

    def __init__(self, declaration: str) -> None:
        self.declaration = declaration

    def get_col_spec(self, **_: Any) -> str:
        return self.declaration


class TextType(ColumnType):
    """A str. Compared and ordered by code point on both."""

    expected = "a str"
    sqlite = sa.Text()
    postgresql = sa.Text(collation="C")

    def __init__(self, max_bytes: int | None = None) -> None:
        super().__init__()
        self.max_bytes = max_bytes

    def check(self, value: Any) -> None:
        if type(value) is not str:
            raise self.refuse(value)
        if "\0" in value:
            raise self.refuse(value, "PostgreSQL cannot keep a NUL character")
        try:
            size = len(value) if value.isascii() else len(value.encode())
        except UnicodeEncodeError:
            raise self.refuse(value, "it contains a lone surrogate, which is no character") from None
        if self.max_bytes is not None and size > self.max_bytes:
            raise self.refuse(value, f"a key has at most {self.max_bytes} bytes of UTF-8, this key has {size}")


class IntegerType(ColumnType):
    """An int of 64 bits."""

    impl = sa.BigInteger
    expected = "an int of 64 bits"
    sqlite = postgresql = sa.BigInteger()

    def check(self, value: Any) -> None:
        if type(value) is not int or not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            raise self.refuse(value)

    def from_driver(self, dialect: str) -> Conversion | None:
        return int if dialect == "postgresql" else None  # there the sum of a bigint column is a numeric


class BooleanType(ColumnType):
    """A bool."""

    impl = sa.Boolean
    coerce_to_is_types = (type(None), bool)  # is_(True) is IS true, not IS and a parameter
    expected = "a bool"
    sqlite = postgresql = sa.Boolean()

    def check(self, value: Any) -> None:
        if type(value) is not bool:
            raise self.refuse(value)

    def from_driver(self, dialect: str) -> Conversion | None:
        return bool if dialect == "sqlite" else None


class FloatType(ColumnType):
    """A float of 64 bits; not-a-number and the infinities are refused. An int is taken as the float that it equals."""

    impl = sa.Double
    expected = "a finite float"
    sqlite = postgresql = sa.Double()

    def check(self, value: Any) -> None:
        if type(value) is int and abs(value) <= 2**53:
            return
        if type(value) is not float or not math.isfinite(value):
            raise self.refuse(value)

    def to_driver(self, dialect: str) -> Conversion | None:
        return float


class MomentType(ColumnType):
    """An aware datetime, to the microsecond; it comes back in UTC."""

    impl = sa.DateTime
    expected = "an aware datetime"
    sqlite = DeclaredType("UTC_TEXT")
    postgresql = sa.TIMESTAMP(timezone=True)

    def check(self, value: Any) -> None:
        if not isinstance(value, datetime):
            raise self.refuse(value)
        if value.tzinfo is UTC:
            return
        if value.utcoffset() is None:
            raise self.refuse(value, "it is naive; say which time zone, for example tzinfo=UTC")
        try:
            value.astimezone(UTC)
        except OverflowError:
            raise self.refuse(value, "in UTC it lies outside the years 1 to 9999") from None

    def to_driver(self, dialect: str) -> Conversion | None:
        return moment.to_text if dialect == "sqlite" else _in_utc

    def from_driver(self, dialect: str) -> Conversion | None:
        return moment.from_stored if dialect == "sqlite" else _in_utc


class DateType(ColumnType):
    """A calendar day."""

    impl = sa.Date
    expected = "a date"
    sqlite = DeclaredType("DATE_TEXT")
    postgresql = sa.Date()

    def check(self, value: Any) -> None:
        if type(value) is not date:
            raise self.refuse(value)

    def to_driver(self, dialect: str) -> Conversion | None:
        return date.isoformat if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Conversion | None:
        return date.fromisoformat if dialect == "sqlite" else None


class UuidType(ColumnType):
    """A UUID; in SQLite its text, which orders as its bytes do."""

    impl = sa.Uuid
    expected = "a UUID"
    sqlite = DeclaredType("UUID_TEXT")
    postgresql = sa.Uuid()

    def check(self, value: Any) -> None:
        if type(value) is not UUID:
            raise self.refuse(value)

    def to_driver(self, dialect: str) -> Conversion | None:
        return str if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Conversion | None:
        return UUID if dialect == "sqlite" else None


class BytesType(ColumnType):
    """Bytes."""

    impl = sa.LargeBinary
    expected = "bytes"
    sqlite = postgresql = sa.LargeBinary()

    def check(self, value: Any) -> None:
        if type(value) is not bytes:
            raise self.refuse(value)


def _in_utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


SCALARS = {
    str: TextType,
    int: IntegerType,
    bool: BooleanType,
    float: FloatType,
    datetime: MomentType,
    date: DateType,
    UUID: UuidType,
    bytes: BytesType,
}
"""The column type of each plain Python type."""
