"""What a caller may ask of a view: conditions, orders and numbers of rows, checked before any SQL is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
from leftfold.read.model.amounts import AmountType


def conditions(where: Sequence[Any]) -> Sequence[ColumnElement[bool]]:
    """What every row is to fulfil; `InvalidArgument` for what is no condition."""
    for condition in where:
        if not isinstance(condition, ColumnElement):
            raise InvalidArgument(
                f"a condition is made of columns, such as AccountSummary.c.balance > 100, not {condition!r}"
            )
    return where


def order(order_by: Any) -> list[ColumnElement[Any]]:
    """The order asked for, None below every value; `InvalidArgument` for what is none."""
    several = [] if order_by is None else list(order_by) if isinstance(order_by, (list, tuple)) else [order_by]
    for element in several:
        if not isinstance(element, ColumnElement):
            raise InvalidArgument(f"an order is a column, or column.desc(), not {element!r}")
    return [_with_nulls_lowest(element) for element in several]


def _with_nulls_lowest(element: ColumnElement[Any]) -> ColumnElement[Any]:
    """None is less than every value, as it is in SQLite and not in PostgreSQL, unless the order says otherwise."""
    modifier = element.modifier if isinstance(element, UnaryExpression) else None
    if modifier in (operators.nulls_first_op, operators.nulls_last_op):
        return element
    return element.nulls_last() if modifier is operators.desc_op else element.nulls_first()


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
