"""What a projector is given, checked: numbers that make sense."""

from __future__ import annotations

from leftfold.errors import InvalidArgument


def positive(value: int, name: str) -> int:
    """`InvalidArgument` unless it is a whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgument(f"{name} is a whole number from 1, not {value!r}")
    return value
