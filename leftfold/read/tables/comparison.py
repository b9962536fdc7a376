"""Comparisons: which rows of a read model changed, and how.

A merge of two streams of rows in the order of their keys: two moments of a view, or the old and the new table of a
rebuild. It holds one row of each side at a time, so any number of rows may be compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from leftfold.read.model.definition import Definition, definition_of
from leftfold.read.model.model import ReadModel

if TYPE_CHECKING:
    from rich.console import RenderableType

Model = TypeVar("Model", bound=ReadModel)
Kind = Literal["added", "removed", "changed"]

_MARKS: dict[Kind, str] = {"added": "+", "removed": "-", "changed": "~"}
_STYLES: dict[Kind, str] = {"added": "green", "removed": "red", "changed": "yellow"}
_ABSENT = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Difference(Generic[Model]):
    """A row that is not the same on both sides: ``before`` is None if it was added, ``after`` if it was removed."""

    key: Any
    before: Model | None
    after: Model | None

    @property
    def kind(self) -> Kind:
        """What became of the row."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The fields that changed, with their values before and after; none unless the row is on both sides."""
        if self.before is None or self.after is None:
            return {}
        before, after = msgspec.structs.asdict(self.before), msgspec.structs.asdict(self.after)
        pairs = {name: (before.get(name, _ABSENT), after.get(name, _ABSENT)) for name in {**before, **after}}
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

    def __str__(self) -> str:
        fields = ", ".join(f"{name} {value}" for name, value in self._describe_fields())
        return f"{_MARKS[self.kind]} {self.key!r}{fields and ': '}{fields}"

    def _describe_fields(self) -> list[tuple[str, str]]:
        """Field by field in words: what changed, or all that was added or removed beside the key."""
        if self.fields:
            return [(name, f"{describe(old)} → {describe(new)}") for name, (old, new) in self.fields.items()]
        row: Any = self.after if self.before is None else self.before
        model: Any = type(row)
        others = (field.name for field in definition_of(model).fields if not field.is_key)
        return [(name, describe(getattr(row, name))) for name in others]


@dataclass(frozen=True, slots=True)
class Comparison(Generic[Model]):
    """How many rows were added, removed, changed and left alone, and the first differences in the order of keys.

    As text, or printed by rich, it is for people.
    """

    model: str
    added: int
    removed: int
    changed: int
    unchanged: int
    sample: tuple[Difference[Model], ...]

    @property
    def count(self) -> int:
        """How many rows differ."""
        return self.added + self.removed + self.changed

    def __str__(self) -> str:
        return "\n".join([self._headline(), *map(str, self.sample), *self._more()])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for difference in self.sample:
            for line, (name, value) in enumerate(difference._describe_fields() or [("", "")]):
                mark, key = ("", "") if line else (_MARKS[difference.kind], repr(difference.key))
                table.add_row(Text(mark), Text(key), Text(name, "dim"), Text(value), style=_STYLES[difference.kind])
        return Group(Text(self._headline(), "bold"), table, *map(Text, self._more()))

    def _headline(self) -> str:
        counted = f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed"
        return f"{self.model}: {counted}, {self.unchanged:,} unchanged"

    def _more(self) -> list[str]:
        left = self.count - len(self.sample)
        return [f"… and {left:,} more"] if left else []


async def compare_rows(
    before: AsyncIterator[Model], after: AsyncIterator[Model], definition: Definition, sample: int
) -> Comparison[Model]:
    """Count the differences between two streams of rows, both in key order, and keep the first ``sample``."""
    kept: list[Difference[Model]] = []
    counts: dict[Kind, int] = {"added": 0, "removed": 0, "changed": 0}
    unchanged = 0
    async for old, new in merged(before, after, key_order(definition)):
        if old == new:
            unchanged += 1
            continue
        difference = differing(old, new, definition)
        counts[difference.kind] += 1
        if len(kept) < sample:
            kept.append(difference)
    return Comparison(definition.model.__name__, **counts, unchanged=unchanged, sample=tuple(kept))


async def differences(
    before: AsyncIterator[Model], after: AsyncIterator[Model], definition: Definition
) -> AsyncIterator[Difference[Model]]:
    """The differences between two streams of rows, both in key order."""
    async for old, new in merged(before, after, key_order(definition)):
        if old != new:
            yield differing(old, new, definition)


def differing(before: Model | None, after: Model | None, definition: Definition) -> Difference[Model]:
    """The difference of one key's rows."""
    return Difference(definition.key_of(after if before is None else before), before, after)


async def merged(
    before: AsyncIterator[Model], after: AsyncIterator[Model], order: Callable[[Model], Any]
) -> AsyncIterator[tuple[Model | None, Model | None]]:
    """The rows of both sides in their common order, those of one key together; None where a side has none."""
    old, new = await _next(before, order), await _next(after, order)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[1], None
            old = await _next(before, order)
        elif old is None or new[0] < old[0]:
            yield None, new[1]
            new = await _next(after, order)
        else:
            yield old[1], new[1]
            old, new = await _next(before, order), await _next(after, order)


def key_order(definition: Definition) -> Callable[[Any], list[Any]]:
    """A sort key that orders rows in Python as both back ends order them by key."""
    # SQLite's integers and texts (by code point) compare the same in Python. An Enum's members would not.
    return lambda row: definition.canonical_key(definition.key_of(row))


def describe(value: Any) -> str:
    """A field's value for people: a Decimal or a date without the name of its class."""
    if value is _ABSENT:
        return "(no such field)"
    return str(value) if isinstance(value, (Decimal, date)) else repr(value)


async def _next(rows: AsyncIterator[Model], order: Callable[[Model], Any]) -> tuple[Any, Model] | None:
    async for row in rows:
        return order(row), row
    return None
