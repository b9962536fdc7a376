"""Connections that a user holds: from psycopg's, sqlite3's, aiosqlite's, SQLAlchemy's or Django's to the driver's own.

Nothing is imported for it that its owner has not imported: whoever holds a Session has loaded ``sqlalchemy.orm``. The
transaction is begun the way its owner's library would begin it, so that the library's own commit ends it.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from leftfold.errors import InvalidArgument

TAKES = {
    ("postgresql", True): "a psycopg Connection, a SQLAlchemy Connection or Session, or Django's connection",
    ("postgresql", False): "a psycopg AsyncConnection, or a SQLAlchemy AsyncConnection or AsyncSession",
    ("sqlite", True): "a sqlite3 Connection, a SQLAlchemy Connection or Session, or Django's connection",
    ("sqlite", False): "an aiosqlite Connection, or a SQLAlchemy AsyncConnection or AsyncSession",
}

_BLOCKING = [
    ("psycopg", "Connection"),
    ("sqlite3", "Connection"),
    ("sqlalchemy.engine", "Connection"),
    ("sqlalchemy.orm", "Session", "scoped_session"),
    ("django.utils.connection", "ConnectionProxy"),
    ("django.db.backends.base.base", "BaseDatabaseWrapper"),
]
_ASYNC = [
    ("psycopg", "AsyncConnection"),
    ("aiosqlite", "Connection"),
    ("sqlalchemy.ext.asyncio", "AsyncConnection", "AsyncSession", "async_scoped_session"),
]


class Held(ABC):
    """A database seen through one connection, inside a transaction that somebody else ends."""

    ended = False
    listened = False
    """Whether somebody in another process listens for the events that were appended."""

    def end(self) -> None:
        """The transaction is over: the connection belongs to others now."""
        self.ended = True

    def check_open(self) -> None:
        """`InvalidArgument` for a use after the end."""
        if self.ended:
            raise InvalidArgument("this transaction has ended: use its `tx` inside the `with` block only")

    @abstractmethod
    async def check_committable(self) -> None:
        """`InvalidArgument` if COMMIT would roll back, because an error in the transaction was passed over."""


def is_one_of(value: object, module: str, *names: str) -> bool:
    """Whether it is an instance of classes of a module, which is looked at only if somebody has loaded it."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))


def check_kind(held: object, dialect: str, *, blocking: bool) -> None:
    """`InvalidArgument` for what is no connection, or one of the other door's."""
    if not any(is_one_of(held, *kind) for kind in (_BLOCKING if blocking else _ASYNC)):
        raise wrong_kind(held, dialect, blocking=blocking)


async def driver_connection(held: Any) -> Any:
    """The driver's connection under what a user holds; anything unknown comes back as it is."""
    try:
        if is_one_of(held, "sqlalchemy.orm", "scoped_session") or is_one_of(
            held, "sqlalchemy.ext.asyncio", "async_scoped_session"
        ):
            held = held()
        if is_one_of(held, "sqlalchemy.orm", "Session"):
            held = held.connection()
        if is_one_of(held, "sqlalchemy.ext.asyncio", "AsyncSession"):
            held = await held.connection()
        if is_one_of(held, "sqlalchemy.engine", "Connection"):
            if not held.in_transaction():
                held.begin()
            return held.connection.driver_connection
        if is_one_of(held, "sqlalchemy.ext.asyncio", "AsyncConnection"):
            if not held.in_transaction():
                await held.begin()
            return (await held.get_raw_connection()).driver_connection
    except SQLAlchemyError as error:
        raise InvalidArgument(f"this {type(held).__name__} cannot be used: {error}") from error
    if is_one_of(held, "django.utils.connection", "ConnectionProxy"):
        held = sys.modules["django.db"].connections[held.alias]
    if is_one_of(held, "django.db.backends.base.base", "BaseDatabaseWrapper"):
        return _under_django(held)
    return held


def _under_django(held: Any) -> Any:
    if held.needs_rollback:
        raise InvalidArgument(
            "an error has broken this transaction.atomic() block of Django's: leave it, and begin anew"
        )
    if held.get_autocommit() and not held.in_atomic_block:
        raise not_in_transaction("use `with transaction.atomic():` around it")
    return held.connection


def not_in_transaction(remedy: str) -> InvalidArgument:
    """The refusal of a connection that would commit every statement by itself."""
    return InvalidArgument(
        f"this connection is in autocommit and in no transaction: {remedy}, or append with the store"
    )


def wrong_kind(raw: object, dialect: str, *, blocking: bool) -> InvalidArgument:
    """The refusal of what is no connection, or not one that this store can share."""
    kind = type(raw)
    module = kind.__module__.partition(".")[0]
    hint = ""
    if module in ("psycopg2", "asyncpg", "pg8000"):
        hint = "; leftfold speaks through psycopg 3: use a postgresql+psycopg:// URL in SQLAlchemy"
    return InvalidArgument(
        f"this {'' if blocking else 'async '}store is on {'PostgreSQL' if dialect == 'postgresql' else 'SQLite'} and "
        f"takes {TAKES[dialect, blocking]}, not {module}'s {kind.__qualname__}{hint}"
    )
