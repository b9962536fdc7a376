"""A pool's connections: the first shows, before the pool is made, that the server answers; the others are new.

A store opens a connection of its own first, because psycopg's pool would try in the background and report a time-out.
From that attempt the user gets the server's own words, and the pool starts with this connection.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import psycopg


def starting_with(first: psycopg.Connection[Any]) -> type[psycopg.Connection[Any]]:
    """A pool's ``connection_class``; its first connection is ``first``."""
    there = [first]

    class Connecting(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Any:
            with suppress(IndexError):
                return there.pop()
            return psycopg.Connection.connect(conninfo, **options)

    return Connecting


def async_starting_with(first: psycopg.AsyncConnection[Any]) -> type[psycopg.AsyncConnection[Any]]:
    """The same for asyncio.

    The danger: `asyncio.run` ends while the pool is connecting. It cancels the pool's worker task and waits for it.
    psycopg_pool takes the cancellation for a failed attempt and tries again later: `asyncio.run` never returns. Hence
    the worker is cancelled again, on every turn of the loop, until it is done.
    """
    there = [first]

    class Connecting(psycopg.AsyncConnection[Any]):
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Any:
            if there:
                return there.pop()
            try:
                return await psycopg.AsyncConnection.connect(conninfo, **options)
            except asyncio.CancelledError:
                _cancel_until_done(asyncio.current_task())
                raise

    return Connecting


def _cancel_until_done(task: asyncio.Task[Any] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        asyncio.get_running_loop().call_soon(_cancel_until_done, task)
