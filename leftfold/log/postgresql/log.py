"""The `Log` over PostgreSQL: one function call for a batch of appends, an exact horizon, keyset pages.

The functions in ``schema/postgresql/`` say what happens on the server. A `Sender` says how a call gets there: `pooled`
sends it again when a connection dies, `joined` sends it once in a held transaction. Here a batch becomes outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from leftfold.database.postgresql.database import PostgresqlDatabase
from leftfold.database.postgresql.held import HeldPostgresqlDatabase
from leftfold.database.protocol import Row
from leftfold.doors.protocol import Signal
from leftfold.errors import ConditionFailed, StoreUnavailable
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.append import BUSY, Append, AppendResult, Outcome
from leftfold.log.buckets import bucket_in_sql, tells_buckets
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.epochs import LogState, state_of
from leftfold.log.inline.inline_set import outdated
from leftfold.log.inline.protocol import Batch, BatchRefused
from leftfold.log.postgresql.joined import HeldSender
from leftfold.log.postgresql.notifier import Notifier
from leftfold.log.postgresql.outcomes import CONDITION_FAILED, OUTDATED, REFUSALS, concerns_batch, outcome, refusal
from leftfold.log.postgresql.parameters import is_plain
from leftfold.log.postgresql.pooled import PooledSender
from leftfold.log.postgresql.sender import Sender, recorded_inline_set
from leftfold.log.postgresql.statements import COLUMNS, sql_dialect, statement
from leftfold.log.select import Columns, Range, select_events

_FROM_2000_TO_1970 = 946_684_800_000_000
"""Microseconds from PostgreSQL's epoch to Unix's."""


class PostgresqlLog(Log):
    """The log in a PostgreSQL schema."""

    poll_seconds = 0.1
    lines = 2  # while one batch is flushed, the next is being made and judged

    def __init__(self, database: PostgresqlDatabase, registry: Registry) -> None:
        super().__init__(database, registry)
        self._postgresql = database
        self._sender: Sender = (
            HeldSender(database)
            if isinstance(database, HeldPostgresqlDatabase)
            else PooledSender(database, self.lines, self.announce)
        )
        self._tells_buckets: bool | None = None
        self._notifier = Notifier(database.conninfo, str(database.schema), self.wakeups.wake)
        self.sql_dialect = sql_dialect(database)

    def joined(self, held: Any) -> Log:
        log = PostgresqlLog(HeldPostgresqlDatabase(self._postgresql, held), self.registry)
        log.maintain(self.inline)
        return log

    def join(self, signal: Signal) -> None:
        super().join(signal)
        self._notifier.listen()

    def announce(self, *, elsewhere: bool) -> None:
        super().announce(elsewhere=elsewhere)
        if elsewhere:
            self._notifier.tell()

    async def open(self) -> None:
        await super().open()
        self._notifier.open()

    async def close(self) -> None:
        self._notifier.close()
        await super().close()

    async def append_batch(self, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        """One transaction for the batch; if the server refuses it as a whole, a transaction for each append."""
        if len(appends) == 1:
            return [await self._append_alone(appends[0], wait)]
        # append_v1 wants the appends of a stream side by side. Sorting is stable, so these keep their order.
        order = sorted(range(len(appends)), key=lambda number: appends[number].stream)
        batch = Batch([appends[number] for number in order], self.inline)
        try:
            sorted_outcomes = await self._append_batch(batch, wait)
        except (*REFUSALS, StoreUnavailable) as error:
            if not concerns_batch(error):
                raise
            sorted_outcomes = batch.settle([await self._append_alone(append, wait) for append in batch.appends])
        outcomes = dict(zip(order, sorted_outcomes, strict=True))
        if wait:  # then only an append is busy whose condition is about others of the batch
            for number, append in enumerate(appends):
                if outcomes[number] is BUSY:
                    outcomes[number] = await self._append_alone(append, wait)
        return [outcomes[number] for number in range(len(appends))]

    async def _append_alone(self, append: Append, wait: bool) -> Outcome:
        """The short way for a plain event, which nearly every append is; the long way judges what that cannot store."""
        if not self.inline.digest and is_plain(append):
            stored = await self._sender.append_one(append, wait=wait)
            if stored is not None:
                return stored
        try:
            [judged] = await self._append_batch(Batch([append], self.inline), wait)
        except REFUSALS as error:
            return refusal([append], error)
        except StoreUnavailable as error:
            if wait or not concerns_batch(error):
                raise
            return BUSY  # the server's table of locks is full: there may be room when the append waits its turn
        return judged

    async def _append_batch(self, batch: Batch, wait: bool) -> list[Outcome]:
        """The long way; once more without the appends that an inline projection refuses."""
        while appends := batch.appends:
            try:
                answer = await self._sender.append(appends, self.inline, together=False, wait=wait)
            except BatchRefused as refused:
                batch.refuse(refused)
            else:
                return batch.settle(await self._outcomes(appends, answer.rows()))
        return batch.settle([])

    async def append_together(
        self, appends: Sequence[Append], condition: AppendCondition | None = None
    ) -> list[AppendResult]:
        batch = Batch(appends, self.inline)
        while batch.failure is None:
            try:
                answer = await self._sender.append(
                    batch.appends, self.inline, together=True, wait=True, condition=condition
                )
            except BatchRefused as refused:
                batch.refuse(refused)
                continue
            except REFUSALS as error:
                raise refusal(appends, error) from None
            rows = answer.rows()
            if condition is not None and rows[0][0] == CONDITION_FAILED:
                raise ConditionFailed(condition, rows[0][2])
            outcomes = batch.settle(await self._outcomes(appends, rows))
            results = [outcome for outcome in outcomes if isinstance(outcome, AppendResult)]
            if len(results) == len(appends):
                return results
        raise batch.failure

    async def _outcomes(self, appends: Sequence[Append], rows: Sequence[Row]) -> list[Outcome]:
        if all(status != OUTDATED for status, _, _ in rows):
            return [outcome(append, *row) for append, row in zip(appends, rows, strict=True)]
        recorded = await recorded_inline_set(self._sender, self.database)
        return [
            outdated(recorded, self.inline.members) if row[0] == OUTDATED else outcome(append, *row)
            for append, row in zip(appends, rows, strict=True)
        ]

    async def head(self) -> int:
        return await self._sender.head()

    async def state(self, position: int) -> LogState:
        sql = self._statement("state")
        [row] = await self._sender.ask(lambda connection: connection.execute(sql, (position,)))
        return state_of(row)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, columns: Columns
    ) -> list[RecordedEvent]:
        sql, parameters = self._select_stream(stream, after, until, limit, backwards, columns)
        if columns == "all":
            return await self._fetch(sql, parameters)
        rows = await self._sender.ask(lambda connection: connection.execute_raw(sql, parameters))
        registry = self.registry
        return [
            RecordedEvent(position, stream, version, b"", type, schema_version, data, b"{}", (), 0, 0, registry)
            for position, version, type, schema_version, data in rows
        ]

    def _select_stream(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, columns: Columns
    ) -> tuple[str, Sequence[object]]:
        sql = self._statement("read_stream").format(columns=COLUMNS[columns], order="DESC" if backwards else "ASC")
        return sql, (stream, after, 2**63 - 1 if until is None else until, limit)

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        return await self._fetch(*await self._select(query, part))

    async def _select(self, query: Query, part: Range) -> tuple[str, list[Any]]:
        if part.buckets is not None and self._tells_buckets is None:
            self._tells_buckets = await self._sender.ask(tells_buckets)
            bucket = bucket_in_sql("e.stream") if self._tells_buckets else None
            self.sql_dialect = replace(self.sql_dialect, bucket=bucket)
        return select_events(query, part, self.sql_dialect)

    async def _fetch(self, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        return self._recorded(await self._sender.ask(lambda connection: connection.execute_raw(sql, parameters)))

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

    def _statement(self, name: str) -> str:
        return statement(name, self._postgresql)
