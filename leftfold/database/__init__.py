"""Connections: one protocol; SQLite and PostgreSQL, sync and async; stepping coroutines."""

from leftfold.database.protocol import Connection, Database, Signal
from leftfold.database.stepping import step, step_each, step_inside
from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url

__all__ = [
    "Connection",
    "Database",
    "PostgresqlUrl",
    "Signal",
    "SqliteUrl",
    "parse_url",
    "step",
    "step_each",
    "step_inside",
]
