"""Reading annotations: what stands inside ``Annotated``, ``NewType``, aliases and ``| None``."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin


def unwrap(annotation: Any) -> tuple[Any, list[Any], bool]:
    """An annotation without Annotated, NewType, aliases and ``| None``; the notes found; whether it may be None."""
    notes: list[Any] = []
    nullable = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            notes += more
        elif is_union(annotation) and type(None) in get_args(annotation):
            nullable = True
            annotation = Union[tuple(member for member in get_args(annotation) if member is not type(None))]  # noqa: UP007
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation, notes, nullable


def is_union(annotation: Any) -> bool:
    """Whether it is ``A | B``, however written."""
    return get_origin(annotation) in (Union, UnionType)
