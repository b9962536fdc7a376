"""Decimals, exactly: a scaled integer in SQLite, NUMERIC in PostgreSQL.

SQLite has no decimal type, and what it does with a NUMERIC column loses digits. As integers, amounts compare, sort and
sum exactly. But the database does not know about the point, so an expression that would move it (a product, an average,
two columns of different digits) means one thing in PostgreSQL and another in SQLite. Those are refused on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ClauseElement,
    ClauseList,
    ColumnElement,
    ExpressionClauseList,
    FunctionFilter,
    Grouping,
    Label,
    Null,
    Over,
    UnaryExpression,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate

from leftfold.errors import InvalidArgument, NotSupported
from leftfold.read.columns import MAX_INTEGER, ColumnType, Conversion, Declared

_WIDE = Context(prec=60)
_LISTS = (Grouping, ClauseList, ExpressionClauseList)
_TRANSPARENT = (*_LISTS, Label, UnaryExpression, FunctionFilter, Over)
_FUNCTIONS = frozenset({"sum", "min", "max", "count", "coalesce"})
_OPERATORS = frozenset(
    {
        operators.lt, operators.le, operators.gt, operators.ge, operators.eq, operators.ne,
        operators.is_, operators.is_not, operators.is_distinct_from, operators.is_not_distinct_from,
        operators.in_op, operators.not_in_op, operators.between_op, operators.not_between_op,
        operators.add, operators.sub,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Digits:
    """How many decimal digits a Decimal column keeps, and how many of them after the point: ``Digits(19, 4)``.

    At most 19 altogether; and without its point, an amount must fit an integer of 64 bits.
    """

    total: int = 19
    after_point: int = 4

    def __post_init__(self) -> None:
        if not (1 <= self.total <= 19 and 0 <= self.after_point <= self.total):
            raise InvalidArgument(f"{self!r}: expected 1 to 19 digits, and no more after the point than altogether")


class AmountType(ColumnType):
    """A Decimal of so many digits. One that does not fit is refused, never rounded."""

    impl = sa.Numeric

    def __init__(self, digits: Digits) -> None:
        super().__init__(digits.total, digits.after_point)
        self.digits = digits
        self.sqlite = Declared(f"SCALEDINT({digits.total}, {digits.after_point})")
        self.postgresql = sa.Numeric(digits.total, digits.after_point)
        self._unit = Decimal((0, (1,), -digits.after_point))
        self._exact = Context(prec=digits.total, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
        self._largest = _WIDE.multiply(Decimal(min(10**digits.total - 1, MAX_INTEGER)), self._unit)
        self.expected = f"a Decimal up to {self._largest} with at most {digits.after_point} digits after the point"

    def check(self, value: Any) -> None:
        if type(value) is not Decimal:
            raise self.refuse(value)
        try:
            exact = self._exact.quantize(value, self._unit)
            fits = -self._largest <= exact <= self._largest
        except DecimalException:
            fits = False
        if not fits:
            raise self.refuse(value, "it does not fit, and is never rounded")

    def to_driver(self, dialect: str) -> Conversion | None:
        after_point = self.digits.after_point
        return (lambda value: int(_WIDE.scaleb(value, after_point))) if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Conversion | None:
        unit = self._unit
        return (lambda value: _WIDE.multiply(Decimal(value), unit)) if dialect == "sqlite" else None

    def as_parameter(self, value: Any) -> Any:
        return Decimal(value) if type(value) is int else value


def check_amounts(statement: ClauseElement) -> None:
    """`NotSupported` for an expression over Decimal columns that would not mean the same on both back ends."""
    for element in iterate(statement):
        if isinstance(element, ColumnElement) and not isinstance(element, _TRANSPARENT):
            parts = list(_parts(element))
            amounts = {part.type.digits for part in parts if isinstance(part.type, AmountType)}
            if amounts and not (_keeps_point(element) and len(amounts) == 1 and all(map(_is_amount, parts))):
                raise NotSupported(
                    f"`{element}` does not mean the same in SQLite as in PostgreSQL, because a Decimal column is a "
                    "scaled integer there. What does: comparing, adding and subtracting amounts of the same Digits "
                    "(a literal takes them from the column on its left), sum, min, max, count and coalesce; do the "
                    "rest in Python"
                )


def _keeps_point(element: ColumnElement[Any]) -> bool:
    if isinstance(element, BinaryExpression):
        return element.operator in _OPERATORS
    return isinstance(element, FunctionElement) and getattr(element, "name", "") in _FUNCTIONS


def _is_amount(part: ColumnElement[Any]) -> bool:
    return isinstance(part, Null) or isinstance(part.type, AmountType)


def _parts(element: ClauseElement) -> Iterator[ColumnElement[Any]]:
    """What an expression combines, looking through brackets, lists and DISTINCT."""
    for child in element.get_children():
        if isinstance(child, _LISTS) or (
            isinstance(child, UnaryExpression) and child.operator is operators.distinct_op
        ):
            yield from _parts(child)
        elif isinstance(child, ColumnElement):
            yield child
