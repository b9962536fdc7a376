"""The log in a PostgreSQL schema."""

from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.postgresql.replicated import ReplicatedLog

__all__ = ["PostgresqlLog", "ReplicatedLog"]
