"""Group commit: concurrent appends of one process travel in one round trip and one flush, each with its own outcome.

A gathered batch never waits for locks. An append that would have to wait comes back busy and is sent again alone,
patiently. So one slow stream never holds up the others.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from leftfold.doors.protocol import Waiting
from leftfold.errors import LeftfoldError
from leftfold.log.append import BUSY, Append, AppendResult, Busy, Outcome

MOST_APPENDS = 256
MOST_EVENTS = 1_000
MOST_BYTES = 2**20
MOST_KEYS = 400
"""How many different streams, types, tags and rows of inline read models: as many locks, on PostgreSQL."""
_SEEN_BYTES = 20
"""What each position takes that a condition has seen."""
MOST_WAITING = 4_096
"""How many appends may be gathered; more wait outside, not yet encoded."""


class SendBatch(Protocol):
    """Judges and stores independent appends; see `leftfold.log.contract.Log.append_batch`."""

    def __call__(self, appends: Sequence[Append], *, wait: bool) -> Coroutine[Any, Any, list[Outcome]]: ...


class GroupCommit:
    """The gathered appends of one log, at most ``lines`` batches of them under way at a time."""

    def __init__(self, send: SendBatch, waiting: Waiting, lines: int) -> None:
        self._send = send
        self._batcher = waiting.batcher(self._send_impatiently, _BatchRoom, lines)
        self.semaphore = waiting.semaphore(MOST_WAITING)

    async def append(self, append: Append) -> AppendResult | LeftfoldError:
        """Its outcome, once it is flushed or refused."""
        excludes_all = append.condition is not None and append.condition.is_about_everything
        outcome = BUSY if excludes_all else await self._batcher.submit(append)
        return await _send_alone(self._send, append) if isinstance(outcome, Busy) else outcome

    def _send_impatiently(self, appends: Sequence[Append]) -> Coroutine[Any, Any, list[Outcome]]:
        return self._send(appends, wait=False)


class Ungrouped:
    """In place of `GroupCommit` for a log inside a transaction: its one connection takes one append at a time."""

    def __init__(self, send: SendBatch) -> None:
        self._send = send
        self.semaphore = nullcontext()

    async def append(self, append: Append) -> AppendResult | LeftfoldError:
        """Its outcome; the transaction is not committed by it."""
        return await _send_alone(self._send, append)


async def _send_alone(send: SendBatch, append: Append) -> AppendResult | LeftfoldError:
    [outcome] = await send([append], wait=True)
    assert not isinstance(outcome, Busy), "busy, though it was to wait"
    return outcome


class _BatchRoom:
    """The room that is left in a batch; see `leftfold.doors.protocol.Room`."""

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
        if append.row_locks is not None:
            self._keys.update(append.row_locks.locks)
        self._appends += 1
        return self._appends == 1 or (
            self._appends <= MOST_APPENDS
            and self._events <= MOST_EVENTS
            and self._bytes <= MOST_BYTES
            and len(self._keys) <= MOST_KEYS
        )
