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

    ``locks`` are hashes of those that other streams may concern, too, the same in every process; ``keys`` are whoever's
    who has told them, after so many ``tries``.
    """

    locks: tuple[int, ...]
    keys: Any
    tries: int


class Append(NamedTuple):
    """A checked and encoded append to one stream, on a condition of its own if it has one."""

    stream: str
    events: tuple[EncodedEvent, ...]
    expected: int
    condition: AppendCondition | None = None
    touched: RowLocks | None = None
    """None if it has not been told, or there are no rows to lock."""


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Where the append ended: the stream's version and the position of its last event (0 and 0 if it has none).

    ``duplicate`` tells that these very events were stored before, and this is the first result again.
    """

    version: int
    position: int
    duplicate: bool = False


class Busy(Enum):
    """The outcome of an append that would have had to wait for somebody else's locks, and was not to."""

    BUSY = "busy"


BUSY: Final = Busy.BUSY
Outcome = AppendResult | LeftfoldError | Busy
