"""The log in an SQLite file."""

from leftfold.log.sqlite.log import SqliteLog

__all__ = ["SqliteLog"]
