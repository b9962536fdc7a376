"""What a caller may ask of a view: conditions, orders and numbers of rows, checked before any SQL is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, UnaryExpression

from leftfold.errors import InvalidArgument


def conditions(where: Sequence[Any]) -> Sequence[ColumnElement[bool]]:
    """What every row is to fulfil; `InvalidArgument` for what is no condition."""
    for one in where:
        if not isinstance(one, ColumnElement):
            raise InvalidArgument(
                f"a condition is made of columns, such as AccountSummary.c.balance > 100, not {one!r}"
            )
    return where


def order(order_by: Any) -> list[ColumnElement[Any]]:
    """The order asked for, None below every value; `InvalidArgument` for what is none."""
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


def bound(value: int | None, name: str) -> int | None:
    """A number of rows; `InvalidArgument` for what is none."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
        raise InvalidArgument(f"{name} is a whole number from 0, not {value!r}")
    return value
