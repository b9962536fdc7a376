"""Group commit: concurrent appends of one process travel in one round trip and one flush, each with its own outcome.

The line to the database waits for nobody's locks: an append that would have to comes back busy and goes again by
itself, patiently, so that one slow stream never holds up the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leftfold.errors import LeftfoldError
from leftfold.log.append import BUSY, Append, AppendResult, Busy

if TYPE_CHECKING:
    from leftfold.log.contract import Log

MOST_APPENDS = 256
MOST_EVENTS = 1_000
MOST_BYTES = 2**20
MOST_KEYS = 400
"""How many different streams, types, tags and rows of inline read models: as many locks, on PostgreSQL."""
_SEEN_BYTES = 20
"""What a position takes that a condition has seen."""
MOST_WAITING = 4_096
"""How many appends may be gathered; more wait outside, not yet encoded."""


class GroupCommit:
    """The line of one log."""

    def __init__(self, log: Log, lines: int) -> None:
        waiting = log.database.waiting
        self._log = log
        self._gathering = waiting.gathering(lambda appends: log.append_batch(appends, wait=False), _Batch, lines)
        self.places = waiting.turns(MOST_WAITING)

    async def append(self, append: Append) -> AppendResult | LeftfoldError:
        """Its outcome, once it is flushed or refused."""
        alone = append.condition is not None and append.condition.is_about_everything
        outcome = BUSY if alone else await self._gathering.submit(append)
        if isinstance(outcome, Busy):
            [outcome] = await self._log.append_batch([append])
            assert not isinstance(outcome, Busy), "busy, though it was to wait"
        return outcome


class Ungrouped(GroupCommit):
    """In place of a line, for a log joined to a transaction: what happens on its connection is not gathered."""

    async def append(self, append: Append) -> AppendResult | LeftfoldError:
        [outcome] = await self._log.append_batch([append])
        assert not isinstance(outcome, Busy), "busy, though it was to wait"
        return outcome


class _Batch:
    """What a batch holds so far; see `leftfold.doors.protocol.Room`."""

    def __init__(self) -> None:
        self._appends = self._events = self._bytes = 0
        self._keys: set[str | int] = set()

    def admits(self, append: Append) -> bool:
        """Once it has said no, the batch is complete."""
        self._events += len(append.events)
        self._keys.add(append.stream)
        for event in append.events:
            self._bytes += len(event.data) + len(event.metadata)
            self._keys.add(event.type)
            self._keys.update(event.tags)
        if append.condition is not None:
            self._keys.update(append.condition.watched())
            self._bytes += _SEEN_BYTES * len(tuple(append.condition.seen))
        if append.touched is not None:
            self._keys.update(append.touched.locks)
        self._appends += 1
        return self._appends == 1 or (
            self._appends <= MOST_APPENDS
            and self._events <= MOST_EVENTS
            and self._bytes <= MOST_BYTES
            and len(self._keys) <= MOST_KEYS
        )
