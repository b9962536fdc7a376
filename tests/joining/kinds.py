"""Every kind of connection that a user may hold, behind one face: a unit of work that commits or rolls back."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from dataclasses import dataclass
from itertools import count
from typing import Any

import aiosqlite
import django
import psycopg
import sqlalchemy as sa
from django.conf import settings
from django.db import connections, transaction
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url

settings.configure(USE_TZ=True, TIME_ZONE="Asia/Kolkata", DATABASES={})
django.setup()
_aliases = count(1)


@dataclass
class Work:
    """What is inside a unit of work: what goes to `using`, and how its own SQL is run."""

    connection: Any
    execute: Callable[[str], Any]


Unit = Callable[[str], AbstractContextManager[Work]]
AsyncUnit = Callable[[str], AbstractAsyncContextManager[Work]]


def conninfo(url: str) -> str:
    place = parse_url(url)
    assert isinstance(place, PostgresqlUrl)
    return place.conninfo


def path(url: str) -> str:
    place = parse_url(url)
    assert isinstance(place, SqliteUrl)
    assert place.path is not None
    return place.path


def engine(url: str) -> sa.Engine:
    if url.startswith("sqlite"):
        return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path(url)), poolclass=NullPool)
    return sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo(url)), poolclass=NullPool)


def async_engine(url: str) -> Any:
    if url.startswith("sqlite"):
        return create_async_engine(f"sqlite+aiosqlite:///{path(url)}", poolclass=NullPool)

    async def connect() -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(conninfo(url))

    return create_async_engine("postgresql+psycopg://", async_creator=connect, poolclass=NullPool)


@contextmanager
def with_psycopg(url: str) -> Iterator[Work]:
    with psycopg.connect(conninfo(url)) as connection:
        yield Work(connection, connection.execute)


@contextmanager
def with_psycopg_in_autocommit(url: str) -> Iterator[Work]:
    with psycopg.connect(conninfo(url), autocommit=True) as connection, connection.transaction():
        yield Work(connection, connection.execute)


@contextmanager
def with_sqlite3(url: str) -> Iterator[Work]:
    with closing(sqlite3.connect(path(url))) as connection, connection:
        yield Work(connection, connection.execute)


@contextmanager
def with_sqlite3_in_autocommit(url: str) -> Iterator[Work]:
    with closing(sqlite3.connect(path(url), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield Work(connection, connection.execute)


@contextmanager
def with_sqlalchemy_connection(url: str) -> Iterator[Work]:
    with engine(url).connect() as connection:
        yield Work(connection, lambda sql: connection.execute(sa.text(sql)))
        connection.commit()


@contextmanager
def with_sqlalchemy_session(url: str) -> Iterator[Work]:
    with Session(engine(url)) as session:
        yield Work(session, lambda sql: session.execute(sa.text(sql)))
        session.commit()


def django_database(url: str) -> dict[str, str]:
    """An entry of Django's DATABASES."""
    if url.startswith("sqlite"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path(url)}
    told = psycopg.conninfo.conninfo_to_dict(conninfo(url))
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    place = {names[name]: str(value) for name, value in told.items() if name in names}
    return {**place, "ENGINE": "django.db.backends.postgresql"}


@contextmanager
def with_django(url: str) -> Iterator[Work]:
    alias = f"kind{next(_aliases)}"
    connections.databases[alias] = connections.configure_settings({"default": django_database(url)})["default"]
    held = connections[alias]
    try:
        with transaction.atomic(using=alias), held.cursor() as cursor:
            yield Work(held, cursor.execute)
    finally:
        held.close()


@asynccontextmanager
async def with_async_psycopg(url: str) -> AsyncIterator[Work]:
    async with await psycopg.AsyncConnection.connect(conninfo(url)) as connection:
        yield Work(connection, connection.execute)


@asynccontextmanager
async def with_aiosqlite(url: str) -> AsyncIterator[Work]:
    async with aiosqlite.connect(path(url)) as connection:
        try:
            yield Work(connection, connection.execute)
            await connection.commit()
        except BaseException:
            await connection.rollback()
            raise


@asynccontextmanager
async def with_async_sqlalchemy_connection(url: str) -> AsyncIterator[Work]:
    async with async_engine(url).connect() as connection:
        yield Work(connection, lambda sql: connection.execute(sa.text(sql)))
        await connection.commit()


@asynccontextmanager
async def with_async_sqlalchemy_session(url: str) -> AsyncIterator[Work]:
    async with AsyncSession(async_engine(url)) as session:
        yield Work(session, lambda sql: session.execute(sa.text(sql)))
        await session.commit()


BLOCKING: dict[str, list[Unit]] = {
    "sqlite": [
        with_sqlite3,
        with_sqlite3_in_autocommit,
        with_sqlalchemy_connection,
        with_sqlalchemy_session,
        with_django,
    ],
    "postgresql": [
        with_psycopg,
        with_psycopg_in_autocommit,
        with_sqlalchemy_connection,
        with_sqlalchemy_session,
        with_django,
    ],
}
ASYNC: dict[str, list[AsyncUnit]] = {
    "sqlite": [with_aiosqlite, with_async_sqlalchemy_connection, with_async_sqlalchemy_session],
    "postgresql": [with_async_psycopg, with_async_sqlalchemy_connection, with_async_sqlalchemy_session],
}
