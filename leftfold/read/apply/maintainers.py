"""The maintainers of projections: which tables and which page handler a projection has, by its kind."""

from __future__ import annotations

from collections.abc import Sequence

from leftfold.database.protocol import Database
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.processor import Owns, PageHandler
from leftfold.log.contract import Log
from leftfold.read.apply.keyed import KeyedMaintainer
from leftfold.read.apply.sql import QueryMaintainer, StatementMaintainer
from leftfold.read.model.definition import definition_of
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.tables.core_table import SqlTable
from leftfold.read.tables.table import ModelTable
from leftfold.read.tables.tables import table_in


def tables_of(projection: AnyProjection, database: Database, role: Role) -> Sequence[ModelTable]:
    """The tables of a generation in that role."""
    if isinstance(projection, Projection):
        return (table_in(database, projection.definition, role),)
    return [
        table_in(database, definition_of(projection.models[table.name]), role)
        if table.name in projection.models
        else SqlTable(database, table, role)
        for table in projection.tables
    ]


def maintainer_of(
    projection: AnyProjection, log: Log, database: Database, generation: Generation, owns: Owns, cached_rows: int
) -> PageHandler:
    """What applies events to a generation's tables."""
    if isinstance(projection, Projection):
        table = table_in(database, projection.definition, generation.role)
        return KeyedMaintainer(projection, log, database, table, generation.number, owns, cached_rows)
    kind = QueryMaintainer if projection.reads else StatementMaintainer
    return kind(projection, database, generation.role)
