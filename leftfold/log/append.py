"""What goes into an append, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from leftfold import expected as expectation
from leftfold.errors import LeftfoldError
from leftfold.events.new import EncodedEvent
from leftfold.log.condition import AppendCondition


@dataclass(frozen=True, slots=True)
class Write:
    """What one stream gets in an `append_all`: its new events, and the version that it must have before."""

    stream: str
    events: Iterable[Any]
    expected: int = expectation.ANY_VERSION


@dataclass(frozen=True, slots=True)
class RowLocks:
    """The rows of inline read models that an append will concern.

    ``locks`` are hashes, the same in every process, of the rows that other streams may concern, too. ``keys`` belong to
    the `Inline` that made this; ``tries`` counts how often it has.
    """

    locks: tuple[int, ...]
    keys: Any
    tries: int


class Append(NamedTuple):
    """A checked and encoded append to one stream, perhaps on a condition."""

    stream: str
    events: tuple[EncodedEvent, ...]
    expected: int
    condition: AppendCondition | None = None
    row_locks: RowLocks | None = None
    """None before an `Inline` was asked, or if there are no rows to lock."""


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Where the append ended: the stream's version and the position of its last event (0 and 0 if it has none).

    ``duplicate`` tells that these very events were stored before; the first result is given again.
    """

    version: int
    position: int
    duplicate: bool = False


class Busy(Enum):
    """The outcome of an append that needed locks of another transaction, and was not to wait for them."""

    BUSY = "busy"


BUSY: Final = Busy.BUSY
Outcome = AppendResult | LeftfoldError | Busy
