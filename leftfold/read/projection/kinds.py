"""Projections of either kind, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leftfold.errors import InvalidArgument
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.sql import SqlProjection

AnyProjection = Projection[Any] | SqlProjection
"""A projection, of either kind."""


def by_name(projections: Iterable[AnyProjection]) -> dict[str, AnyProjection]:
    """The projections by name; `InvalidArgument` for what is no projection, or shares a name or a table."""
    found: dict[str, AnyProjection] = {}
    tables: dict[str, str] = {}
    for projection in projections:
        if isinstance(projection, type) and issubclass(projection, SqlProjection):
            raise InvalidArgument(
                f"{projection.__name__} is a class: give the projector an instance, {projection.__name__}()"
            )
        if not isinstance(projection, Projection | SqlProjection):
            raise InvalidArgument(
                f"{projection!r} is no projection: decorate the function with @lf.projection(…), or derive a class "
                "from lf.SqlProjection"
            )
        if projection.name in found:
            raise InvalidArgument(
                f"two projections are named {projection.name!r}: give one of them another with name=…"
            )
        for table in projection.table_names:
            if table in tables:
                raise InvalidArgument(
                    f"the projections {tables[table]!r} and {projection.name!r} both write the table {table}"
                )
            tables[table] = projection.name
        found[projection.name] = projection
    return found
