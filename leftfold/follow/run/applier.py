"""The applier of one partition: page after page, what the page leads to and the checkpoint go into one transaction.

The applier alone answers "was I overtaken?". A worker that slept past its lease, an act that raised a fence, and a swap
that renamed tables all look the same from here: the partition in the database is not the one that this applier knows.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from leftfold.database.protocol import Database
from leftfold.errors import ProcessorFailed
from leftfold.events import Query, RecordedEvent, moment
from leftfold.follow.checkpoints.partition import Failure, Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.options import OnFailure, Retry
from leftfold.follow.processor import PageHandler
from leftfold.follow.run.reader import Reader
from leftfold.log.contract import Log
from leftfold.log.page_size import PageSize
from leftfold.log.subscription.cursor import Cursor

_RATE_WEIGHT = 0.3
_FIRST_PAGE = 100
_PAGE_SECONDS = 0.5
"""How long a page is to take at most, so that a worker stops soon, and holds no transaction for long."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a page has come to: how many events were applied, and what stopped it, if anything."""

    events: int
    failure: ProcessorFailed | None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Another session has moved the partition or raised its fence, so nothing of the page was written.

    ``now`` is the partition as the database has it; None if it was split, merged or dropped.
    """

    now: Partition | None


class Applier:
    """Applies one partition. One caller uses it at a time."""

    def __init__(
        self,
        log: Log,
        database: Database,
        query: Query,
        handler: PageHandler,
        partitions: Partitions,
        partition: Partition,
        page_events: int,
        on_failure: OnFailure,
        reader: Reader,
        *,
        by_stream: bool,
        remedy: str,
    ) -> None:
        self.partition = partition
        self._log = log
        self._database = database
        self._query = query
        self._handler = handler
        self._partitions = partitions
        self._on_failure = on_failure
        self._reader = reader
        self._size = PageSize(most=page_events, first=_FIRST_PAGE)
        self._remedy = remedy
        self._cursor = partition.cursor(log, remedy)
        self._buckets = partition.buckets if by_stream else None

    @property
    def position(self) -> int:
        """Up to where it is applied."""
        return self.partition.position

    def stand_at(self, partition: Partition) -> None:
        """Go on from there. If another session has been at the partition, the handler forgets what it remembers."""
        if not partition.same_checkpoint(self.partition):
            self._handler.forget()
            self._cursor = partition.cursor(self._log, self._remedy)
        self.partition = partition

    async def look(self, until: Partition | None = None) -> bool:
        """Whether there are events to apply, at most up to the position of ``until``.

        `EpochChanged`: this is not the log that the partition has followed so far.
        """
        await self._cursor.head()
        if until is not None:
            self._cursor.stop_at(until.position, None if until.event_id is None else UUID(until.event_id))
        return self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether it has not reached the head that the last `look` saw."""
        return self._cursor.horizon > self.position

    async def page(self) -> Applied | Overtaken:
        """Apply the next events, up to the horizon that `look` has seen.

        An exception is raised only if the partition is as this applier left it. Otherwise the answer is `Overtaken`:
        the exception may only say that a swap has renamed or dropped the tables under the page.
        """
        try:
            applied = await self._page()
        except Exception:
            now = await self._reload()
            if self.partition.same_checkpoint(now):
                raise
        else:
            if applied is not None:
                return applied
            now = await self._reload()
        self._handler.forget()
        return Overtaken(now)

    async def _page(self) -> Applied | None:
        """None if the checkpoint was not where this applier had left it."""
        started = monotonic()
        events, is_last = await self._reader.page(self._query, self._cursor, self._size.next, self._buckets)
        self._size.note(events)
        change = await self._handler.prepare(events)
        try:
            moved = await self._write(change, events, is_last, started)
        except ProcessorFailed as failure:
            # The database refuses what an event has led to, and the transaction is rolled back. Apply what comes
            # before that event, so that the partition stands right in front of it.
            at = next(number for number, event in enumerate(events) if event.position == failure.position)
            self._handler.forget()
            change = await self._handler.prepare(events[:at])
            if await self._write(change, events[:at], False, started, failure) is None:
                return None
            return Applied(change.events, change.failure or failure)
        self._size.took(len(events), monotonic() - started, _PAGE_SECONDS)
        return None if moved is None else Applied(change.events, change.failure)

    async def _reload(self) -> Partition | None:
        async with self._database.connection() as connection:
            return await self._partitions.reload(connection, self.partition)

    async def _write(
        self,
        change: Any,
        events: Sequence[RecordedEvent],
        is_last: bool,
        started: float,
        stopped: ProcessorFailed | None = None,
    ) -> Partition | None:
        failure = change.failure or stopped
        cursor = self._ahead(change.events, events, is_last and failure is None)
        rate = self._rate(change.events, monotonic() - started)
        async with self._database.transaction() as connection:
            moved = await self._partitions.move(
                connection, self.partition, cursor, applied=change.events, rate=rate, failure=self._failure(failure)
            )
            if moved is not None:
                await self._handler.write(connection, change)
        if moved is not None:
            self._handler.committed(change)
            self.partition, self._cursor = moved, cursor
        return moved

    def _ahead(self, done: int, events: Sequence[RecordedEvent], reached: bool) -> Cursor:
        cursor = self._cursor.copy()
        if reached:
            cursor.reached()
        elif done:
            cursor.passed(events[done - 1])
        return cursor

    def _rate(self, events: int, seconds: float) -> float:
        if not events or seconds <= 0:
            return self.partition.rate
        if not self.partition.rate:
            return events / seconds
        return self.partition.rate + _RATE_WEIGHT * (events / seconds - self.partition.rate)

    def _failure(self, failure: ProcessorFailed | None) -> Failure | None:
        if failure is None:
            return None
        assert failure.position is not None, "an event of the log has one"
        before, now = self.partition.failure, datetime.now(UTC)
        attempts = 1 + (before.attempts if before is not None and before.position == failure.position else 0)
        retry_at = None
        if isinstance(self._on_failure, Retry) and attempts < self._on_failure.attempts:
            retry_at = moment.to_text(now + timedelta(seconds=self._on_failure.pause(attempts)))
        error = failure.__cause__ or failure
        return Failure(
            failure.position,
            "",
            failure.stream,
            failure.type,
            failure.reason,
            "".join(traceback.format_exception(error))[-20_000:],
            attempts,
            moment.to_text(now),
            retry_at,
        )
