"""Whether this thread or task is inside a transaction of a store, where using the store itself is a mistake.

The danger: `store.append` inside `with store.transaction()` goes through another connection. It waits for locks that
the transaction holds, and the transaction waits for it, for ever. So it is refused. A task that was started inside is
refused, too, because the transaction may be waiting for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from leftfold.database.protocol import Database
from leftfold.errors import InvalidState


@dataclass(slots=True)
class _Block:
    """A transaction of a store. A task that outlives it has a copy of the context, but not of ``open``."""

    database: Database
    open: bool = True


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("leftfold.transactions", default=())


@contextmanager
def inside(database: Database) -> Iterator[None]:
    """The length of a transaction."""
    around = _blocks.get()
    block = _Block(database)
    _blocks.set((*around, block))
    try:
        yield
    finally:
        block.open = False
        _blocks.set(around)


def check_outside(database: Database) -> None:
    """`InvalidState` for a use of the store inside a transaction of its own."""
    for block in _blocks.get():
        if block.open and block.database is database:
            raise InvalidState(
                "this thread or task is inside `with store.transaction() as tx`, and uses the store itself: that "
                "would wait for ever for the transaction around it. Use tx (tx.append, tx.read, tx.repository, "
                "tx.savepoint), or do it after the block"
            )
