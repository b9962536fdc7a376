"""The Log: where facts are kept, and what every back end promises.

An append is atomic, durable when acknowledged, judged against its expected version by the database, and idempotent by
its event ids. A log takes a *batch of independent appends* and gives each an outcome of its own; a single append is a
batch with one append. Positions increase in the order in which events become visible. Nothing can still appear at or
below the horizon that `Log.head` gives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from leftfold import expected as expectation
from leftfold.database.held import Held
from leftfold.database.inside import check_outside
from leftfold.database.protocol import Database
from leftfold.doors.protocol import Signal
from leftfold.errors import ConditionFailed, InvalidArgument, LeftfoldError
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.events.new import encode_events
from leftfold.events.stream import check_stream
from leftfold.log.append import Append, AppendResult, Outcome, Write
from leftfold.log.condition import LARGEST_POSITION, AppendCondition
from leftfold.log.epochs import Anchor, LogState
from leftfold.log.group_commit import GroupCommit, Ungrouped
from leftfold.log.inline.protocol import Inline, NoInline
from leftfold.log.page_size import PageSize
from leftfold.log.select import Columns, Range, SqlDialect, select_events
from leftfold.log.wakeups import Wakeups


class Log(ABC):
    """A log of events in a database. Coroutines only; the front doors step or await them."""

    lines = 1
    """How many batches of gathered appends may be under way at a time."""
    sql_dialect: SqlDialect
    """How its dialect writes what depends on a query."""
    poll_seconds = 0.01
    """How long a follower waits for a signal before it looks by itself."""

    def __init__(self, database: Database, registry: Registry) -> None:
        self.database = database
        self.registry = registry
        self.wakeups = Wakeups()
        """The signals of this process's followers, set after each append."""
        self.closed = False
        self.maintain(NoInline())

    def maintain(self, inline: Inline) -> None:
        """Maintain these projections inline, from the first append on.

        One batch at a time if streams share rows: two batches would find each other's rows locked.
        """
        self.inline = inline
        lines = 1 if inline.shares_rows else self.lines
        self._group_commit = (
            Ungrouped(self.append_batch)
            if isinstance(self.database, Held)
            else GroupCommit(self.append_batch, self.database.waiting, lines)
        )

    async def append(
        self,
        stream: str,
        events: Iterable[Any],
        *,
        expected: int = expectation.ANY_VERSION,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> AppendResult:
        """Append to one stream, all or nothing; see `leftfold.front.EventStore.append`."""
        check_outside(self.database)
        _check_kind(condition)
        async with self._group_commit.semaphore:
            append = self._prepare(stream, events, expected, metadata, condition)
            outcome = await self._group_commit.append(append)
        if isinstance(outcome, LeftfoldError):
            raise outcome
        return outcome

    async def append_all(
        self,
        writes: Iterable[Write],
        *,
        metadata: Mapping[str, Any] | None = None,
        condition: AppendCondition | None = None,
    ) -> list[AppendResult]:
        """Append to several streams, all or nothing; see `leftfold.front.EventStore.append_all`."""
        check_outside(self.database)
        _check_kind(condition)
        appends = [self._prepare(write.stream, write.events, write.expected, metadata) for write in writes]
        if len({append.stream for append in appends}) < len(appends):
            raise InvalidArgument("append_all takes one Write for each stream: put the events of a stream together")
        ids = [event.id for append in appends for event in append.events]
        if len(set(ids)) < len(ids):
            raise InvalidArgument("append_all carries two events with the same id: every fact needs its own")
        if appends:
            return await self.append_together(appends, condition)
        if condition is not None:
            await self._check_condition(condition)
        return []

    async def _check_condition(self, condition: AppendCondition) -> None:
        """`ConditionFailed` if it does not hold now. No locks: this append writes nothing."""
        seen = set(condition.seen)
        page = await self.read_log_page(condition.unless, Range(condition.after, LARGEST_POSITION, len(seen) + 1))
        for recorded in page:
            if recorded.position not in seen:
                raise ConditionFailed(condition, recorded.position)

    def join(self, signal: Signal) -> None:
        """Set this signal from now on when new events may have come, from this process or another."""
        self.wakeups.join(signal)

    def leave(self, signal: Signal) -> None:
        """Do not set this signal any more."""
        self.wakeups.leave(signal)

    async def open(self) -> None:
        """Make the first connection; `StoreUnavailable` says why that cannot be."""
        await self.database.open()
        self.closed = False

    async def close(self) -> None:
        """End the subscriptions, and let go of the database. Closing twice is fine."""
        self.closed = True
        self.wakeups.wake()
        await self.database.close()

    def announce(self, *, elsewhere: bool) -> None:
        """Events were committed: wake this process's followers, and other processes if they listen ``elsewhere``."""
        self.wakeups.wake()

    def _prepare(
        self,
        stream: str,
        events: Iterable[Any],
        expected: int,
        metadata: Mapping[str, Any] | None,
        condition: AppendCondition | None = None,
    ) -> Append:
        whole = isinstance(expected, int) and not isinstance(expected, bool)
        if not (whole and expectation.STREAM_EXISTS <= expected < 2**63):
            names = "lf.ANY_VERSION, lf.NO_STREAM or lf.STREAM_EXISTS"
            raise InvalidArgument(f"expected is a version from 0, {names}, not {expected!r}")
        encoded = encode_events(events, self.registry, metadata)
        return self.inline.with_row_locks(Append(check_stream(stream), encoded, int(expected), condition))

    @abstractmethod
    async def append_batch(self, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        """Judge and store independent appends in one transaction; an outcome for each, in order.

        An append that conflicts, repeats or is refused (by an inline projection, too) never fails its neighbours.
        `StoreUnavailable` is raised, for all. Each is judged in this order: repetition, version, its condition, what an
        inline projection says.
        Without ``wait``, an append that needs a lock which another transaction holds is `BUSY`.
        """

    @abstractmethod
    async def append_together(
        self, appends: Sequence[Append], condition: AppendCondition | None = None
    ) -> list[AppendResult]:
        """Store appends to different streams, all or none; raises the first refusal.

        Judged in this order: repetitions, versions, the condition.
        """

    @abstractmethod
    def joined(self, held: Any) -> Log:
        """The same log, through a held connection in a transaction; see `leftfold.log.transaction`."""

    @abstractmethod
    async def head(self) -> int:
        """The horizon: the position of the last settled event. Nothing at or below it can still appear."""

    @abstractmethod
    async def state(self, position: int) -> LogState:
        """In one look: the horizon, the store's identity and epoch, the ids of the events there and at ``position``."""

    @abstractmethod
    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, columns: Columns
    ) -> list[RecordedEvent]:
        """Up to ``limit`` committed events of a stream with after < version <= until, in order.

        See `leftfold.log.select.Columns` for what the events lack with ``columns="fold"``.
        """

    @abstractmethod
    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        """The events of that part of the log, which ends at or below the horizon, in order.

        With buckets only an empty page says that there is nothing more.
        """

    async def count(self, query: Query, after: int, until: int, most: int) -> int:
        """How many events match with after < position <= until, counted up to ``most``; ``until`` is settled."""
        positions = replace(self.sql_dialect, columns="e.position")
        sql, parameters = select_events(query, Range(after, until, most), positions)
        async with self.database.connection() as connection:
            [(count,)] = await connection.execute(f"SELECT count(*) FROM ({sql}) AS counted", parameters)
        return int(count)

    def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
        columns: Columns = "all",
    ) -> AsyncIterator[list[RecordedEvent]]:
        """The events of a stream, in pages; everything that is committed when its page is read.

        With ``columns="fold"`` they cost less, and have no id, metadata, tags and times worth looking at.
        """
        check_range(after, until, limit)
        return self._stream_pages(check_stream(stream), after, until, PageSize(limit), backwards, columns)

    async def _stream_pages(
        self, stream: str, after: int, until: int | None, size: PageSize, backwards: bool, columns: Columns
    ) -> AsyncIterator[list[RecordedEvent]]:
        while size.next:
            page = await self.read_stream_page(stream, after, until, size.next, backwards, columns)
            if page:
                yield page
            if len(page) < size.next:
                return
            size.note(page)
            if backwards:
                until = page[-1].version - 1
            else:
                after = page[-1].version

    def read_log(
        self,
        query: Query = Query.ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[list[RecordedEvent]]:
        """The events of the log up to the horizon as of now, in pages, in the order of positions."""
        check_range(after, until, limit)
        return self._up_to_head(query, after, until, PageSize(limit), backwards)

    async def _up_to_head(
        self, query: Query, after: int, until: int | None, size: PageSize, backwards: bool
    ) -> AsyncIterator[list[RecordedEvent]]:
        head = await self.head()
        until = head if until is None else min(until, head)
        async for page in self.read_settled(query, after, until, size, backwards):
            yield page

    async def read_settled(
        self,
        query: Query,
        after: int,
        until: int,
        size: PageSize,
        backwards: bool = False,
        anchor: Anchor | None = None,
    ) -> AsyncIterator[list[RecordedEvent]]:
        """The same for a caller that knows the horizon: ``until`` is at or below it.

        With ``anchor``, the event that the first page follows, each page is read only while the event before it stands.
        """
        while size.next and after < until:
            page = await self.read_log_page(query, Range(after, until, size.next, backwards, anchor))
            if page:
                yield page
            if len(page) < size.next:
                return
            size.note(page)
            if backwards:
                until = page[-1].position - 1
            else:
                after = page[-1].position
                anchor = anchor and Anchor(after, page[-1].id)


def _check_kind(condition: object) -> None:
    if condition is not None and not isinstance(condition, AppendCondition):
        raise InvalidArgument(f"condition is an lf.AppendCondition, not {condition!r}")


def check_range(after: int, until: int | None, limit: int | None) -> None:
    """`InvalidArgument` for bounds that make no sense."""
    for name, value in (("after", after), ("until", until), ("limit", limit)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
            raise InvalidArgument(f"{name} is a whole number from 0 to 2^63 - 1, not {value!r}")
