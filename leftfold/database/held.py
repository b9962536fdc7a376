"""A database seen through one held connection, inside a transaction that its user ends: what both back ends share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leftfold.database.protocol import Row
from leftfold.errors import InvalidState, StoreUnavailable


class Held(ABC):
    """Such a database. Tasks share it as they share any connection; the calls of threads run one after the other."""

    listened = False
    """Whether another process listens for the events that were appended."""

    def __init__(self) -> None:
        self._ended = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """The transaction is over, once another thread's call is: from now on the connection is not ours to use."""
        with self._lock:
            self._ended = True

    def check_open(self) -> None:
        """`InvalidState` for a use after the end."""
        if self._ended:
            raise InvalidState("this transaction has ended: use its `tx` inside the `with` block only")

    @contextmanager
    def call(self) -> Iterator[None]:
        """The length of a blocking call: no other thread's call comes in between, and none after the end."""
        with self._lock:
            self.check_open()
            yield

    @abstractmethod
    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """A statement of the user's own, which fails with the driver's own error."""

    @abstractmethod
    async def check_committable(self) -> None:
        """`InvalidState` if COMMIT would not commit all of it: an error was passed over, or it has ended already."""

    @abstractmethod
    def failure_of_commit(self, error: Exception) -> Exception:
        """The error of COMMIT, in words."""


def in_the_drivers_words(unavailable: StoreUnavailable) -> BaseException:
    """The driver's error: the remedies in ours are for leftfold's statements, and this is the user's."""
    return unavailable.__cause__ or unavailable


def ended_inside() -> InvalidState:
    """The refusal of a transaction that did not last as long as its block."""
    return InvalidState(
        "this transaction is over already, ended inside its block: by COMMIT or ROLLBACK in tx.execute, or by an error "
        "with which the database undid all of it (a full disk). Leave the end to the block, and let errors out of it"
    )
