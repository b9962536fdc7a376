"""Connections that a user holds: from psycopg's, sqlite3's, aiosqlite's, SQLAlchemy's or Django's to the driver's own.

Nothing is imported that the user has not imported: a program that holds a Session has loaded ``sqlalchemy.orm``. The
transaction is begun as the user's library would begin it, so that the library's own commit ends it.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from leftfold.errors import InvalidArgument, InvalidState

TAKES = {
    ("postgresql", True): "a psycopg Connection, a SQLAlchemy Connection or Session, or Django's connection",
    ("postgresql", False): "a psycopg AsyncConnection, or a SQLAlchemy AsyncConnection or AsyncSession",
    ("sqlite", True): "a sqlite3 Connection, a SQLAlchemy Connection or Session, or Django's connection",
    ("sqlite", False): "an aiosqlite Connection, or a SQLAlchemy AsyncConnection or AsyncSession",
}

_Kinds = list[tuple[str, ...]]

_SQLALCHEMY: _Kinds = [
    ("sqlalchemy.engine", "Connection"),
    ("sqlalchemy.orm", "Session", "scoped_session"),
]
_DJANGO: _Kinds = [
    ("django.utils.connection", "ConnectionProxy"),
    ("django.db.backends.base.base", "BaseDatabaseWrapper"),
]
_ASYNC_SQLALCHEMY: _Kinds = [("sqlalchemy.ext.asyncio", "AsyncConnection", "AsyncSession", "async_scoped_session")]
_BLOCKING: _Kinds = [("psycopg", "Connection"), ("sqlite3", "Connection"), *_SQLALCHEMY, *_DJANGO]
_ASYNC: _Kinds = [("psycopg", "AsyncConnection"), ("aiosqlite", "Connection"), *_ASYNC_SQLALCHEMY]

_OF_THE_OTHER_BACK_END: dict[str, _Kinds] = {
    "postgresql": [("sqlite3", "Connection"), ("aiosqlite", "Connection")],
    "sqlite": [("psycopg", "Connection", "AsyncConnection")],
}
_INSTEAD: list[tuple[_Kinds, str]] = [
    ([("sqlalchemy.engine", "Engine")], "pass the connection of `with engine.begin() as connection:`"),
    (
        [("sqlalchemy.ext.asyncio", "AsyncEngine")],
        "pass the connection of `async with engine.begin() as connection:`",
    ),
    (
        [("sqlalchemy.orm", "sessionmaker"), ("sqlalchemy.ext.asyncio", "async_sessionmaker")],
        "this one makes sessions: call it, and pass what comes back",
    ),
    (
        [("psycopg_pool", "ConnectionPool", "AsyncConnectionPool")],
        "pass the connection of `with pool.connection() as connection:`",
    ),
    ([("psycopg", "Cursor", "AsyncCursor"), ("sqlite3", "Cursor")], "pass the connection that the cursor is of"),
]
"""Objects that are easily taken for connections, and what to pass in their place."""


def is_one_of(value: object, module: str, *names: str) -> bool:
    """Whether it is an instance of classes of a module; False if the module has not been imported."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))


def _is_any(value: object, kinds: _Kinds) -> bool:
    return any(is_one_of(value, *kind) for kind in kinds)


def check_kind(held: object, dialect: str, *, blocking: bool) -> None:
    """`InvalidArgument` for an object that is no connection, or a connection of the other door."""
    if not _is_any(held, _BLOCKING if blocking else _ASYNC):
        raise wrong_kind(held, dialect, blocking=blocking)


async def driver_connection(held: Any) -> Any:
    """The driver's connection under the user's object; anything unknown comes back as it is."""
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
        raise InvalidState("an error has broken this transaction.atomic() block of Django's: leave it, and begin anew")
    if held.get_autocommit() and not held.in_atomic_block:
        raise not_in_transaction(held, "use `with transaction.atomic():` around it")
    return held.connection


def not_in_transaction(held: object, remedy: str) -> InvalidState:
    """The refusal of a connection that would commit every statement by itself; the remedy is its driver's."""
    if _is_any(held, [*_SQLALCHEMY, *_ASYNC_SQLALCHEMY]):
        remedy = "take isolation_level=AUTOCOMMIT away from it"
    return InvalidState(f"this connection is in autocommit and in no transaction: {remedy}, or append with the store")


def wrong_kind(raw: object, dialect: str, *, blocking: bool) -> InvalidArgument:
    """The refusal of an object that is no connection, or no connection that this store can share."""
    kind = type(raw)
    module = kind.__module__.partition(".")[0]
    found = f"a {kind.__qualname__}" if module == "builtins" else f"{module}'s {kind.__qualname__}"
    hint = _what_instead(raw, module, dialect, blocking)
    return InvalidArgument(
        f"this {'' if blocking else 'async '}store is on {'PostgreSQL' if dialect == 'postgresql' else 'SQLite'} and "
        f"takes {TAKES[dialect, blocking]}, not {found}{hint and f': {hint}'}"
    )


def _what_instead(raw: object, module: str, dialect: str, blocking: bool) -> str:
    """The remedy; empty where the refusal says it."""
    if module in ("psycopg2", "asyncpg", "pg8000"):
        return "leftfold speaks through psycopg 3: use postgresql+psycopg:// in SQLAlchemy, install psycopg for Django"
    if not blocking and _is_any(raw, _DJANGO):
        return (
            "Django has no async transactions; write a function with lf.connect and transaction.atomic(), and call it "
            "with sync_to_async"
        )
    if _is_any(raw, _OF_THE_OTHER_BACK_END[dialect]):
        return ""
    if _is_any(raw, _ASYNC if blocking else _BLOCKING):
        return f"for it, open the store with {'lf.connect_async' if blocking else 'lf.connect'}"
    return next((instead for kinds, instead in _INSTEAD if _is_any(raw, kinds)), "")
