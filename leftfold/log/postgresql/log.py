"""The `Log` over PostgreSQL: one function call for a batch of appends, an exact horizon, keyset pages.

What happens on the server is told beside the functions, in ``schema/postgresql/``. Here stands what to do when
the connection dies: the same call again, with the same event ids. A former attempt that is still running holds the
locks of its streams, so the repetition waits for its end and then finds its events, or none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from psycopg.errors import OutOfMemory, ProgrammingError, UniqueViolation

from leftfold.database.postgresql.connection import BEGIN, COMMIT, PostgresqlConnection, rolled_back
from leftfold.database.postgresql.database import PooledConnection, PostgresqlDatabase
from leftfold.database.protocol import Row, Statement
from leftfold.database.statements import statement
from leftfold.doors.protocol import Signal
from leftfold.errors import ConditionFailed, ProcessorOutdated, StoreUnavailable
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.append import BUSY, Append, AppendResult, Outcome
from leftfold.log.buckets import bucket_in_sql, tells_buckets
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.epochs import LogState, survey_of
from leftfold.log.inline.inline_set import InlineSet, outdated, read_inline_set
from leftfold.log.inline.protocol import Batch, BatchRefused
from leftfold.log.postgresql.notifier import Notifier
from leftfold.log.postgresql.outcomes import (
    CONDITION_FAILED,
    OUTDATED,
    REFUSALS,
    Answer,
    outcome,
    placed,
    read_answer,
    refusal,
)
from leftfold.log.postgresql.parameters import append_one_parameters, append_parameters, is_plain
from leftfold.log.postgresql.retry import retry_lost
from leftfold.log.select import Range, SqlDialect, select_events

Result = TypeVar("Result")

_FROM_2000_TO_1970 = 946_684_800_000_000
_COLUMNS = (
    "e.position, e.stream, e.version, e.id, e.type, e.schema_version, e.data, e.metadata, NULLIF(e.tags, '{}'), "
    "e.occurred_at, e.recorded_at"
)
_BARE_COLUMNS = "e.position, e.version, e.type, e.schema_version, e.data"


class PostgresqlLog(Log):
    """The log in a PostgreSQL schema."""

    poll_seconds = 0.1
    lines = 2  # while one batch is flushed, the next is being made and judged

    def __init__(self, database: PostgresqlDatabase, registry: Registry) -> None:
        super().__init__(database, registry)
        self._postgresql = database
        self._patient = database.waiting.turns(max(1, database.pool_size - 2 * self.lines))
        self._tells_buckets: bool | None = None
        self._herald = Notifier(database.conninfo, str(database.schema), self.audience.wake)
        self.terms = SqlDialect(
            events=database.table("events"),
            event_tags=database.table("event_tags"),
            columns=_COLUMNS,
            mark="%s",
            moment_mark="%s::timestamptz",
            id=lambda id: id,
        )

    def join(self, signal: Signal) -> None:
        super().join(signal)
        self._herald.listen()

    def announce(self, *, elsewhere: bool) -> None:
        super().announce(elsewhere=elsewhere)
        if elsewhere:
            self._herald.tell()

    async def open(self) -> None:
        await super().open()
        self._herald.open()

    async def close(self) -> None:
        self._herald.close()
        await super().close()

    async def append_batch(self, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        """The function wants the appends of one stream side by side; sorting is stable, so their order stays."""
        if len(appends) == 1:
            outcome = await self._append_one(appends[0], wait)
            return [outcome] if outcome is not None else await self._append_sorted(appends, wait)
        order = sorted(range(len(appends)), key=lambda number: appends[number].stream)
        outcomes = await self._append_sorted([appends[number] for number in order], wait)
        if wait:  # then only those are busy whose condition is about others of the batch
            outcomes = [
                (await self.append_batch([appends[number]]))[0] if outcome is BUSY else outcome
                for number, outcome in zip(order, outcomes, strict=True)
            ]
        return [one for _, one in sorted(zip(order, outcomes, strict=True), key=lambda pair: pair[0])]

    async def _append_one(self, append: Append, wait: bool) -> Outcome | None:
        """The short way of the commonest append; None if that cannot judge it, and the long way has to."""
        if self.inline.digest or not is_plain(append):
            return None
        sql, parameters = self._statement("append_one"), append_one_parameters(append, wait=wait)
        try:
            status, version, position, listened = await self._write(
                lambda connection: connection.call(sql, parameters), wait=wait
            )
        except REFUSALS:
            return None
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, OutOfMemory):
                raise
            return None
        if status is None:
            return None
        if version is None or position is None:
            return BUSY
        self.announce(elsewhere=listened == b"t")
        return AppendResult(int(version), int(position))

    async def _append_sorted(self, appends: Sequence[Append], wait: bool) -> list[Outcome]:
        """What the server refuses is refused with the whole batch; so each goes once more by itself.

        So it does when the server's table of locks is full: those of one append may still find room, at the latest when
        it is its turn to wait. Whom an inline projection refuses the others leave behind.
        """
        remaining = Batch(appends, self.inline)
        while going := remaining.appends:
            try:
                rows = await self._append(going, together=False, wait=wait)
            except BatchRefused as refused:
                remaining.refuse(refused)
                continue
            except REFUSALS as error:
                if len(going) == 1:
                    return remaining.settle([refusal(going, error)])
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, OutOfMemory) or (len(going) == 1 and wait):
                    raise
                if len(going) == 1:
                    return remaining.settle([BUSY])
            else:
                return remaining.settle(await self._outcomes(going, rows))
            return remaining.settle([(await self.append_batch([append], wait=wait))[0] for append in going])
        return remaining.settle([])

    async def append_together(
        self, appends: Sequence[Append], condition: AppendCondition | None = None
    ) -> list[AppendResult]:
        remaining = Batch(appends, self.inline)
        while remaining.failure is None:
            try:
                rows = await self._append(remaining.appends, together=True, wait=True, condition=condition)
            except BatchRefused as refused:
                remaining.refuse(refused)
                continue
            except REFUSALS as error:
                raise refusal(appends, error) from None
            if condition is not None and rows[0][0] == CONDITION_FAILED:
                raise ConditionFailed(condition, rows[0][2])
            outcomes = remaining.settle(await self._outcomes(appends, rows))
            results = [one for one in outcomes if isinstance(one, AppendResult)]
            if len(results) == len(appends):
                return results
        raise remaining.failure

    async def _outcomes(self, appends: Sequence[Append], rows: Sequence[Row]) -> list[Outcome]:
        if all(status != OUTDATED for status, _, _ in rows):
            return [outcome(append, *row) for append, row in zip(appends, rows, strict=True)]
        recorded = await self._inline_set()
        return [
            outdated(recorded, self.inline.members) if row[0] == OUTDATED else outcome(append, *row)
            for append, row in zip(appends, rows, strict=True)
        ]

    def joined(self, held: Any) -> Log:
        from leftfold.log.postgresql.joined import JoinedPostgresqlLog

        return JoinedPostgresqlLog(self, held)

    async def head(self) -> int:
        sql = self._statement("head")
        [(position,)] = await self._retried(lambda connection: connection.execute(sql))
        return int(position)

    async def survey(self, position: int) -> LogState:
        sql = self._statement("survey")
        [row] = await self._retried(lambda connection: connection.execute(sql, (position,)))
        return survey_of(row)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, bare: bool
    ) -> list[RecordedEvent]:
        sql, parameters = self._select_stream(stream, after, until, limit, backwards, bare)
        return await (self._fetch_bare(stream, sql, parameters) if bare else self._fetch(sql, parameters))

    def _select_stream(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, bare: bool = False
    ) -> tuple[str, Sequence[object]]:
        columns, order = _BARE_COLUMNS if bare else _COLUMNS, "DESC" if backwards else "ASC"
        sql = self._statement("read_stream").format(columns=columns, order=order)
        return sql, (stream, after, 2**63 - 1 if until is None else until, limit)

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        return await self._fetch(*await self._select(query, part))

    async def _select(self, query: Query, part: Range) -> tuple[str, list[Any]]:
        if part.buckets is not None and self._tells_buckets is None:
            self._tells_buckets = await self._retried(tells_buckets)
            self.terms = replace(self.terms, bucket=bucket_in_sql("e.stream") if self._tells_buckets else None)
        return select_events(query, part, self.terms)

    async def _append(
        self, appends: Sequence[Append], *, together: bool, wait: bool, condition: AppendCondition | None = None
    ) -> list[Row]:
        """Status, version and position of each. Once more after a collision, if that is all of it: a former attempt of
        somebody's has committed meanwhile."""
        inline = self.inline.digest
        sql = self._statement("append_inline" if inline else "append")
        parameters = append_parameters(appends, together=together, wait=wait, condition=condition, inline=inline)

        async def append(connection: PooledConnection) -> Answer:
            return read_answer(await connection.call(sql, parameters))

        async def append_and_maintain(connection: PooledConnection) -> Answer:
            async with rolled_back(connection):
                first = [BEGIN, Statement(sql, parameters)]
                [_, [row]], rows = await self.inline.fetch(connection, appends, first)
                answer = Answer(*row)
                changes = self.inline.fold(list(placed(appends, together, answer)), rows)
                await connection.execute_all([*changes, COMMIT])
            return answer

        ask = append_and_maintain if inline else append
        try:
            try:
                answer = await self._write(ask, wait=wait)
            except UniqueViolation:
                if not together and len(appends) > 1:
                    raise
                answer = await self._write(ask, wait=wait)
        except (ProcessorOutdated, ProgrammingError):
            await self._check_inline_set()
            raise
        if answer.listened is not None:
            self.announce(elsewhere=answer.listened)
        return answer.rows()

    async def _check_inline_set(self) -> None:
        """`ProcessorOutdated` if it is another one by now, whose tables then need not be there as they were."""
        if self.inline.digest and (recorded := await self._inline_set()) != self.inline.members:
            raise outdated(recorded, self.inline.members)

    async def _inline_set(self) -> InlineSet:
        """What the database has recorded."""
        return await self._retried(lambda connection: read_inline_set(connection, self.database))

    async def _write(self, ask: Callable[[PooledConnection], Awaitable[Result]], *, wait: bool) -> Result:
        """Who may have to wait does so on a connection of the pool, which has some left for those who do not."""
        if not wait:
            return await retry_lost(self._postgresql.kept, ask, self.database.sleep)
        async with self._patient:
            return await retry_lost(self._postgresql.pooled, ask, self.database.sleep)

    async def _fetch(self, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        return self._recorded(await self._retried(lambda connection: connection.execute_raw(sql, parameters)))

    def _recorded(self, rows: Sequence[Row]) -> list[RecordedEvent]:
        registry = self.registry
        shift = _FROM_2000_TO_1970
        return [
            RecordedEvent(
                position, stream, version, id, type, schema_version, data, metadata,
                tuple(tags) if tags else (), occurred + shift, recorded + shift, registry,
            )
            for position, stream, version, id, type, schema_version, data, metadata, tags, occurred, recorded in rows
        ]  # fmt: skip

    async def _fetch_bare(self, stream: str, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        rows = await self._retried(lambda connection: connection.execute_raw(sql, parameters))
        registry = self.registry
        return [
            RecordedEvent(position, stream, version, b"", type, schema_version, data, b"{}", (), 0, 0, registry)
            for position, version, type, schema_version, data in rows
        ]

    async def _retried(self, ask: Callable[[PostgresqlConnection], Awaitable[Result]]) -> Result:
        """Ask on a connection of the pool."""
        return await retry_lost(self._postgresql.connection, ask, self.database.sleep)

    def _statement(self, name: str) -> str:
        return statement("leftfold.log.postgresql", name, str(self.database.schema))
