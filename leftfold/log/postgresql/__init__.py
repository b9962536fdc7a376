"""The log in a PostgreSQL schema."""

from leftfold.log.postgresql.log import PostgresqlLog

__all__ = ["PostgresqlLog"]
