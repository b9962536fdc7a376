"""How the sync door runs the async engine: a single ``send(None)``, in the caller's own thread.

A blocking driver's methods are ``async def`` but never suspend, so a coroutine over them finishes in its first step. It
has an ordinary traceback, and needs no event loop, portal thread or generated twin. Gel's Python client works the same
way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


def step(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that awaits only blocking drivers."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: Result = finished.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine suspended under the sync door: it awaited something that is not a blocking driver")


def step_each(items: AsyncIterator[Result]) -> Iterator[Result]:
    """An async iterator over blocking drivers as an ordinary iterator."""
    while True:
        try:
            item = step(_next(items))
        except StopAsyncIteration:
            return
        yield item


@contextmanager
def step_inside(manager: AbstractAsyncContextManager[Result]) -> Iterator[Result]:
    """An async context manager over blocking drivers as an ordinary context manager."""
    entered = step(_coroutine(manager.__aenter__()))
    try:
        yield entered
    except BaseException as error:
        if not step(_coroutine(manager.__aexit__(type(error), error, error.__traceback__))):
            raise
    else:
        step(_coroutine(manager.__aexit__(None, None, None)))


async def _coroutine(awaitable: Awaitable[Result]) -> Result:
    return await awaitable


async def _next(items: AsyncIterator[Result]) -> Result:
    return await anext(items)
