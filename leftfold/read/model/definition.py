"""A read model as a table: its name, its columns, its key, and how a row is checked, written and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from leftfold.errors import InvalidArgument, ProcessorOutdated
from leftfold.read.model.composites import DocumentType
from leftfold.read.model.fields import Field, fields_of
from leftfold.read.model.table_names import _table_name

_MAX_KEY_COLUMNS = 4
_astuple = msgspec.structs.astuple


@dataclass(frozen=True)
class Definition:
    """A read model as a table. ``key`` are the indexes of the key's fields."""

    model: type[Any]
    name: str
    fields: tuple[Field, ...]
    key: tuple[int, ...]
    key_of: Callable[[Any], Any]
    """The key of a row: a value, or a tuple if several fields make the key."""
    table: sa.Table

    def canonical_key(self, key: Any) -> list[Any]:
        """A key's values in the form in which every room stores and hashes them: as SQLite keeps them."""
        steps = (self.fields[index].type.to_driver("sqlite") for index in self.key)
        return [step(value) if step else value for step, value in zip(steps, self.key_values(key), strict=True)]

    def describe(self) -> list[tuple[object, ...]]:
        """The model as plain values that change with it: its fields, what they take, and their defaults."""
        defaults = {field.name: repr(field.default) for field in msgspec.structs.fields(self.model)}
        return [
            (
                field.name,
                field.type.sqlite.compile(sqlite.dialect()),
                field.type.expected,
                field.nullable,
                field.is_key,
                default,
            )
            for field in self.fields
            for default in (defaults[field.name],)
        ]

    def key_values(self, key: Any) -> tuple[Any, ...]:
        """A key as a tuple of checked values; `InvalidArgument` naming the field that does not fit."""
        values = (key,) if len(self.key) == 1 else key
        fields = [self.fields[index] for index in self.key]
        if not isinstance(values, tuple) or len(values) != len(fields):
            names = ", ".join(field.name for field in fields)
            raise InvalidArgument(f"a key of {self.model.__name__} is a tuple ({names}), not {key!r}")
        for field, value in zip(fields, values, strict=True):
            try:
                field.type.check(value)
            except InvalidArgument as error:
                raise InvalidArgument(f"{key!r} is no key of {self.model.__name__}: {field.name}: {error}") from None
        return values

    def checker(self) -> Callable[..., None]:
        """Raises `InvalidArgument`, naming model, field and key, if the table could not give a row back equal.

        A value that the row shares with ``former`` was checked before. A document may have changed inside all the same.
        """
        checks = [(field.type.check, field.nullable, isinstance(field.type, DocumentType)) for field in self.fields]
        nothing = (object(),) * len(checks)

        def check(row: Any, former: Any = None) -> None:
            values, kept = _astuple(row), nothing if former is None else _astuple(former)
            at = 0
            try:
                for at, value in enumerate(values):
                    fits, nullable, is_document = checks[at]
                    if (value is not kept[at] or is_document) and (value is not None or not nullable):
                        fits(value)
            except InvalidArgument as error:
                name = f"{self.model.__name__}.{self.fields[at].name}"
                raise InvalidArgument(f"{name} of {self.key_of(row)!r}: {error}") from None

        return check

    def dumper(self, dialect: str) -> Callable[[Any], list[Any]]:
        """Makes a checked row the parameters for its columns, in order."""
        steps = [(at, step) for at, field in enumerate(self.fields) if (step := field.type.to_driver(dialect))]

        def dump(row: Any) -> list[Any]:
            values = list(_astuple(row))
            for at, convert in steps:
                if values[at] is not None:
                    values[at] = convert(values[at])
            return values

        return dump

    def loader(self, dialect: str) -> Callable[[tuple[Any, ...]], Any]:
        """Makes the fetched values of all columns, in order, a row."""
        steps = [(at, step) for at, field in enumerate(self.fields) if (step := field.type.from_driver(dialect))]
        model = self.model

        def load(fetched: tuple[Any, ...]) -> Any:
            values = list(fetched)
            at = 0
            try:
                for at, convert in steps:
                    if values[at] is not None:
                        values[at] = convert(values[at])
            except ValueError as error:
                raise ProcessorOutdated(
                    f"the table {self.name} holds in its column {self.fields[at].name} what {model.__name__} cannot "
                    f"have today: {error}. Rebuild it: projector.rebuild(name)"
                ) from error
            return model(*values)

        return load


@cache
def definition_of(model: type[Any]) -> Definition:
    """The table of a read model; `InvalidArgument` says which field cannot be a column, or what the key lacks."""
    if not hasattr(model, "__table_name__"):
        raise InvalidArgument(f"{model!r} is no read model: derive it from lf.ReadModel")
    fields = tuple(fields_of(model))
    key = tuple(index for index, field in enumerate(fields) if field.is_key)
    if not 1 <= len(key) <= _MAX_KEY_COLUMNS:
        raise InvalidArgument(
            f"{model.__name__} has {len(key)} key fields: mark the field that tells its rows apart, for example "
            f"account_id: lf.Key[str] (or up to {_MAX_KEY_COLUMNS} which do so together)"
        )
    key_of = attrgetter(*(fields[index].name for index in key))
    name = _table_name(model)
    columns: list[sa.Column[Any]] = [
        sa.Column(field.name, field.type, nullable=field.nullable, primary_key=field.is_key, autoincrement=False)
        for field in fields
    ]
    return Definition(model, name, fields, key, key_of, sa.Table(name, sa.MetaData(), *columns))


Rows = dict[Any, Any]
"""Rows by key; None where there is no row."""
