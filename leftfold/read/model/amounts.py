"""Decimals, exactly: a scaled integer in SQLite, NUMERIC in PostgreSQL.

SQLite has no decimal type, and what it does with a NUMERIC column loses digits. As integers, amounts compare, sort and
sum exactly. But the database does not know about the point. An expression that would move it is refused on both back
ends, for its meaning would differ: a product, an average, two columns of different digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any

import sqlalchemy as sa

from leftfold.errors import InvalidArgument
from leftfold.read.model.columns import MAX_INTEGER, ColumnType, Conversion, DeclaredType

_WIDE = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Digits:
    """How many decimal digits a Decimal column keeps, and how many of them after the point: ``Digits(19, 4)``.

    The precision is at most 19. Without its point, an amount must also fit an integer of 64 bits.
    """

    precision: int = 19
    scale: int = 4

    def __post_init__(self) -> None:
        if not (1 <= self.precision <= 19 and 0 <= self.scale <= self.precision):
            raise InvalidArgument(f"{self!r}: expected 1 to 19 digits, and no more after the point than altogether")


class AmountType(ColumnType):
    """A Decimal of so many digits. A value that does not fit is refused, never rounded."""

    impl = sa.Numeric

    def __init__(self, digits: Digits) -> None:
        super().__init__(digits.precision, digits.scale)
        self.digits = digits
        self.sqlite = DeclaredType(f"SCALEDINT({digits.precision}, {digits.scale})")
        self.postgresql = sa.Numeric(digits.precision, digits.scale)
        self._unit = Decimal((0, (1,), -digits.scale))
        self._exact = Context(prec=digits.precision, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
        self._largest = _WIDE.multiply(Decimal(min(10**digits.precision - 1, MAX_INTEGER)), self._unit)
        self.expected = f"a Decimal up to {self._largest} with at most {digits.scale} digits after the point"

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
        scale = self.digits.scale
        return (lambda value: int(_WIDE.scaleb(value, scale))) if dialect == "sqlite" else None

    def from_driver(self, dialect: str) -> Conversion | None:
        unit = self._unit
        return (lambda value: _WIDE.multiply(Decimal(value), unit)) if dialect == "sqlite" else None

    def as_parameter(self, value: Any) -> Any:
        return Decimal(value) if type(value) is int else value
