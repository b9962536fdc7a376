"""How one partition of a projection is applied, page after page: fold, then rows and checkpoint in one transaction."""

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
from leftfold.log.subscription.cursor import Cursor
from leftfold.log.subscription.page_size import PageSize

_RATE_WEIGHT = 0.3
_FIRST_PAGE = 100
_PAGE_SECONDS = 0.5
"""How long a page is to take at most, so that a worker stops soon, and holds no transaction for long."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a page has come to: how many events were folded, and what stopped it, if anything."""

    events: int
    failure: ProcessorFailed | None


class Applier:
    """One partition, moved by whoever uses it. One run uses it at a time."""

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
        self._standing = partition.standing_in(log)
        self._buckets = partition.buckets if by_stream else None

    @property
    def position(self) -> int:
        """Up to where it is applied."""
        return self.partition.position

    def stand_at(self, partition: Partition) -> None:
        """It stands there now; if that is not where this has left it, what is remembered of its rows is forgotten."""
        if not partition.same_checkpoint(self.partition):
            self._handler.forget()
            self._standing = partition.standing_in(self._log)
        self.partition = partition

    async def look(self, until: Partition | None = None) -> bool:
        """Whether there is anything to go on to, not beyond where another stands; `EpochChanged` if this is not the log
        that it has followed so far."""
        await self._standing.head()
        if until is not None:
            self._standing.stop_at(until.position, None if until.event_id is None else UUID(until.event_id))
        return self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether it is not yet where the last look has seen the head."""
        return self._standing.horizon > self.position

    async def page(self) -> Applied | None:
        """Apply the next events, up to the horizon that `look` has seen; None if somebody else has moved it."""
        started = monotonic()
        size = self._size.next
        events, is_last = await self._reader.page(self._query, self._standing, size, self._buckets)
        self._size.note(events)
        change = await self._handler.prepare(events)
        try:
            moved = await self._write(change, events, is_last, started)
        except ProcessorFailed as failure:  # the database refuses what an event has led to
            at = next(number for number, one in enumerate(events) if one.position == failure.position)
            self._handler.forget()
            change = await self._handler.prepare(events[:at])
            moved = await self._write(change, events[:at], False, started, failure)
            if moved is not None:
                return Applied(change.events, change.failure or failure)
        self._size.took(len(events), monotonic() - started, _PAGE_SECONDS)
        if moved is None:
            self._handler.forget()
            return None
        return Applied(change.events, change.failure)

    async def _write(
        self,
        change: Any,
        events: Sequence[RecordedEvent],
        is_last: bool,
        started: float,
        stopped: ProcessorFailed | None = None,
    ) -> Partition | None:
        failure = change.failure or stopped
        standing = self._ahead(change.events, events, is_last and failure is None)
        rate = self._rate(change.events, monotonic() - started)
        async with self._database.transaction() as connection:
            moved = await self._partitions.move(
                connection, self.partition, standing, applied=change.events, rate=rate, failure=self._noted(failure)
            )
            if moved is not None:
                await self._handler.write(connection, change)
        if moved is not None:
            self._handler.committed(change)
            self.partition, self._standing = moved, standing
        return moved

    def _ahead(self, done: int, events: Sequence[RecordedEvent], reached: bool) -> Cursor:
        standing = self._standing.copy()
        if reached:
            standing.reached()
        elif done:
            standing.passed(events[done - 1])
        return standing

    def _rate(self, events: int, seconds: float) -> float:
        if not events or seconds <= 0:
            return self.partition.rate
        if not self.partition.rate:
            return events / seconds
        return self.partition.rate + _RATE_WEIGHT * (events / seconds - self.partition.rate)

    def _noted(self, failure: ProcessorFailed | None) -> Failure | None:
        """What is kept of a failure; how often it has come, and when it is tried again."""
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
