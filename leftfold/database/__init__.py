"""Connections: one protocol; SQLite and PostgreSQL, blocking and for tasks."""

from leftfold.database.protocol import Connection, Database
from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url

__all__ = ["Connection", "Database", "PostgresqlUrl", "SqliteUrl", "parse_url"]
