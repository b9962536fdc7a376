"""The table of a read model in a database."""

from __future__ import annotations

from leftfold.database.protocol import Database
from leftfold.follow.checkpoints.generation import Role
from leftfold.read.model.definition import Definition
from leftfold.read.tables.postgresql import PostgresqlTable
from leftfold.read.tables.sqlite import SqliteTable
from leftfold.read.tables.table import ReadTable


def table_in(database: Database, definition: Definition, role: Role = "live") -> ReadTable:
    """The table of a read model in a database, for a generation in that role."""
    return (SqliteTable if database.dialect == "sqlite" else PostgresqlTable)(database, definition, role)
