"""What the engine asks of a database: a narrow protocol, with four drivers behind it.

All I/O logic above this room is written once, as ``async def``. Under the async door the drivers suspend as usual.
Under the sync door they are ``async def`` that never suspend: `leftfold.doors.step` runs the same coroutine to
its end in one step, in the caller's thread. So code above may await nothing but what comes from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

from leftfold.doors.protocol import Signal, Waiting

Row = tuple[Any, ...]
Dialect = Literal["sqlite", "postgresql"]


class Statement(NamedTuple):
    """SQL with its parameters; ``many`` times, once for each set of them."""

    sql: str
    parameters: Sequence[Any] = ()
    many: bool = False


class Connection(Protocol):
    """One connection. SQL is the back end's own: ``?`` marks a parameter on SQLite, ``%s`` on PostgreSQL."""

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; its rows, or an empty list if it returns none."""

    async def execute_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement once for each set of parameters."""

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements one after the other, in one round trip where that can be; the rows of each."""


class Database(Protocol):
    """A place with tables: hands out connections, and the ways of waiting that go with its kind of driver."""

    waiting: Waiting

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""

    @property
    def schema(self) -> str | None:
        """The PostgreSQL schema that holds everything; None on SQLite, which has none."""

    async def open(self) -> None:
        """Make the first connection; `StoreUnavailable` says why that cannot be."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection in autocommit, for reading: each statement sees what is committed when it starts."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A connection inside a write transaction (BEGIN IMMEDIATE; READ COMMITTED): committed on a clean exit."""

    def table(self, name: str) -> str:
        """The SQL name of one of leftfold's own tables: ``leftfold.events``, ``leftfold_events``."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass, in the caller's thread or task."""

    def signal(self) -> Signal:
        """A new flag, not set."""

    async def close(self) -> None:
        """Close every connection. Closing twice is fine."""
