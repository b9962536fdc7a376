"""From a field's annotation to its column: ``Key[str]``, ``Annotated[Decimal, Digits(9, 2)]``, ``datetime | None``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin, get_type_hints

from leftfold.errors import InvalidArgument
from leftfold.events.annotations import unwrap
from leftfold.events.stream import MAX_STREAM_BYTES
from leftfold.read.model.amounts import AmountType, Digits
from leftfold.read.model.columns import SCALARS, ColumnType, DateType, IntegerType, MomentType, TextType, UuidType
from leftfold.read.model.composites import ChoiceType, DocumentType, is_document

MAX_NAME_BYTES = 63
_KEYS = (TextType, IntegerType, UuidType, DateType, MomentType, AmountType, ChoiceType)
_RESERVED = {"cmax", "cmin", "ctid", "oid", "rowid", "tableoid", "xmax", "xmin"}


class KeyMarker:
    """What makes a field part of the key: ``Key[str]`` is ``Annotated[str, KeyMarker()]``."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a read model, as a column."""

    name: str
    type: ColumnType
    nullable: bool
    is_key: bool


def fields_of(model: type[Any]) -> Iterator[Field]:
    """The fields of a read model, in order; `InvalidArgument` names the field that cannot be a column."""
    try:
        annotations = get_type_hints(model, include_extras=True)
    except NameError as error:
        raise InvalidArgument(f"{model.__name__}: {error}; define it before the read model is used") from error
    seen: set[str] = set()
    for name in model.__struct_fields__:
        try:
            _check_name(name, seen)
            yield _field(name, annotations[name])
        except InvalidArgument as error:
            raise InvalidArgument(f"{model.__name__}.{name}: {error}") from error


def _check_name(name: str, seen: set[str]) -> None:
    """Refuse a name that either back end would refuse. SQLite ignores case."""
    folded = name.lower()
    if folded in seen:
        raise InvalidArgument("another column has this name, but for upper and lower case")
    if folded in _RESERVED or len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidArgument(f"a database keeps this name for itself, or it is longer than {MAX_NAME_BYTES} bytes")
    seen.add(folded)


def _field(name: str, annotation: Any) -> Field:
    plain, notes, nullable = unwrap(annotation)
    is_key = any(isinstance(note, KeyMarker) for note in notes)
    digits = [note for note in notes if isinstance(note, Digits)]
    if digits and plain is not Decimal:
        raise InvalidArgument(f"lf.Digits is for a Decimal, not for {plain}")
    column = _column_type(plain, digits[0] if digits else Digits(), is_key)
    if is_key and (nullable or not isinstance(column, _KEYS)):
        raise InvalidArgument("a key is a str, int, UUID, date, datetime, Decimal, Enum or Literal, and never None")
    return Field(name, column, nullable, is_key)


def _column_type(annotation: Any, digits: Digits, is_key: bool) -> ColumnType:
    if annotation is Decimal:
        return AmountType(digits)
    if annotation is str:
        return TextType(max_bytes=MAX_STREAM_BYTES if is_key else None)
    if isinstance(annotation, type) and annotation in SCALARS:
        scalar: ColumnType = SCALARS[annotation]()
        return scalar
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ChoiceType(tuple(annotation))
    if get_origin(annotation) is Literal:
        return ChoiceType(get_args(annotation))
    if is_document(annotation):
        return DocumentType(annotation)
    raise InvalidArgument(
        f"{annotation} cannot be a column: expected str, int, bool, float, Decimal, datetime, date, UUID, bytes, an "
        "Enum, a Literal, a list, dict or Struct, or one of these | None"
    )
