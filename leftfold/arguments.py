"""Arguments, checked: numbers that make sense."""

from __future__ import annotations

from typing import Any

from leftfold.errors import InvalidArgument

LARGEST = 2**63 - 1
"""The largest integer that both back ends can keep."""


def is_whole_number(value: Any, *, least: int, most: int = LARGEST) -> bool:
    """Whether the value is an int within the bounds. True and False are no numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def whole_number(value: Any, name: str, *, least: int, most: int = LARGEST) -> int:
    """The value as a plain int; `InvalidArgument` says what ``name`` must be."""
    if is_whole_number(value, least=least, most=most):
        return int(value)
    bounds = f"from {least}" if not isinstance(value, int) or value < least else f"from {least} to {most}"
    raise InvalidArgument(f"{name} is a whole number {bounds}, not {value!r}")
