"""Where psycopg's pools get connections from: first the one that showed that the server answers, then new ones."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import psycopg


def starting_with(first: psycopg.Connection[Any]) -> type[psycopg.Connection[Any]]:
    """A pool's ``connection_class``; ``first`` is taken before another connection is made."""
    there = [first]

    class Connecting(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, conninfo: str = "", **options: Any) -> Any:
            with suppress(IndexError):
                return there.pop()
            return psycopg.Connection.connect(conninfo, **options)

    return Connecting


def async_starting_with(first: psycopg.AsyncConnection[Any]) -> type[psycopg.AsyncConnection[Any]]:
    """The same for asyncio. A pool's worker that is cancelled meanwhile ends: psycopg's would take it for an error, try
    again later and go on, and `asyncio.run`, which cancels what is left and waits for it, would never return."""
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
