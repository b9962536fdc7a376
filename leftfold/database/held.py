"""A database seen through one connection, inside a transaction that somebody else ends: what both back ends share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leftfold.database.protocol import Row
from leftfold.errors import InvalidArgument, StoreUnavailable


class Held(ABC):
    """Such a database. Tasks share it as they share any connection; threads take turns, one call after the other."""

    listened = False
    """Whether somebody in another process listens for the events that were appended."""

    def __init__(self) -> None:
        self._ended = False
        self._turns = threading.Lock()

    def end(self) -> None:
        """The transaction is over, once the call of another thread is: the connection belongs to others now."""
        with self._turns:
            self._ended = True

    def check_open(self) -> None:
        """`InvalidArgument` for a use after the end."""
        if self._ended:
            raise InvalidArgument("this transaction has ended: use its `tx` inside the `with` block only")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The length of a blocking call: no other thread's comes between, and none after the end."""
        with self._turns:
            self.check_open()
            yield

    @abstractmethod
    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """A statement of the user's own, which fails with the driver's own error."""

    @abstractmethod
    async def check_committable(self) -> None:
        """`InvalidArgument` if COMMIT would not commit it all: an error was passed over, or it has ended already."""

    @abstractmethod
    def failure_of_commit(self, error: Exception) -> Exception:
        """What COMMIT failed with, in words."""


def in_the_drivers_words(unavailable: StoreUnavailable) -> BaseException:
    """The driver's error, of a statement that is the user's: the remedies that we know are for our own."""
    return unavailable.__cause__ or unavailable


def ended_inside() -> InvalidArgument:
    """The refusal of a transaction that did not last as long as its block."""
    return InvalidArgument(
        "this transaction is over already, ended inside its block: by COMMIT or ROLLBACK in tx.execute, or by an error "
        "with which the database undid all of it (a full disk). Leave the end to the block, and let errors out of it"
    )
