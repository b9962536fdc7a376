"""Columns of more than plain values: one of a few choices, and whole documents as JSON text."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import inspect

from leftfold.errors import InvalidArgument
from leftfold.events.codec import CheckedCodec
from leftfold.read.model.columns import ColumnType, Conversion, DeclaredType, IntegerType, TextType

# Sets and dicts in a fixed order, so that equal documents are equal texts, in every process.
_to_json = msgspec.json.Encoder(order="deterministic").encode

_DOCUMENTS = (
    inspect.AnyType,
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.DictType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
    inspect.StructType,
    inspect.DataclassType,
)


class ChoiceType(ColumnType):
    """A member of an Enum, kept by its value, or one of the alternatives of a Literal."""

    def __init__(self, choices: tuple[Any, ...]) -> None:
        super().__init__()
        self.choices = choices
        self._kept = {choice: choice.value if isinstance(choice, Enum) else choice for choice in choices}
        self._choice = {kept: choice for choice, kept in self._kept.items()}
        self._type = type(choices[0])
        kept_as = _kept_as(list(self._kept.values()))
        self.sqlite = kept_as.sqlite
        self.postgresql = kept_as.postgresql
        self.expected = f"one of {', '.join(map(repr, choices))}"

    def check(self, value: Any) -> None:
        if type(value) is not self._type or value not in self._kept:
            raise self.refuse(value)

    def to_driver(self, dialect: str) -> Conversion | None:
        return self._kept.__getitem__

    def from_driver(self, dialect: str) -> Conversion | None:
        def choose(kept: Any) -> Any:
            if kept not in self._choice:
                raise self.refuse(kept)
            return self._choice[kept]

        return choose


class DocumentType(ColumnType):
    """A list, dict, Struct or other composite, as JSON text."""

    sqlite = DeclaredType("JSON_TEXT")
    postgresql = sa.Text(collation="C")

    def __init__(self, annotation: Any) -> None:
        super().__init__()
        self.annotation = annotation
        self.expected = f"a value of {getattr(annotation, '__name__', annotation)}"
        self._decode = msgspec.json.Decoder(annotation).decode
        self._codec = CheckedCodec(_to_json, lambda: self._decode)

    def check(self, value: Any) -> None:
        try:
            self._codec.encode(value)
        except ValueError as error:
            raise self.refuse(value, str(error)) from None

    def to_driver(self, dialect: str) -> Conversion | None:
        return lambda value: _to_json(value).decode()

    def from_driver(self, dialect: str) -> Conversion | None:
        return self._decode


def is_document(annotation: Any) -> bool:
    """Whether the annotation is of something composite that msgspec reads and writes as JSON."""
    try:
        kind = inspect.type_info(annotation)
    except (TypeError, NameError):
        return False
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return all(isinstance(kind, _DOCUMENTS) for kind in kinds)


def _kept_as(values: list[Any]) -> ColumnType:
    """Text or integers, whichever all the values are."""
    for kept_as in (TextType(), IntegerType()):
        try:
            for value in values:
                kept_as.check(value)
        except InvalidArgument:
            continue
        return kept_as
    raise InvalidArgument(f"choices are all str or all int, not {', '.join(map(repr, values))}")
