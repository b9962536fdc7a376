"""The `Log` over SQLite: appends in one hop each, reads in keyset pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from leftfold.database.sqlite.database import SqliteDatabase
from leftfold.database.sqlite.held import HeldSqliteDatabase
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.append import Append, AppendResult, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.epochs import LogState, state_of
from leftfold.log.inline.protocol import Inline
from leftfold.log.select import Columns, Range, select_events
from leftfold.log.sqlite.append import Run, append_independent, append_together, in_transaction, within_transaction
from leftfold.log.sqlite.inline import Inlining
from leftfold.log.sqlite.statements import COLUMNS, DIALECT, statement

_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class SqliteLog(Log):
    """The log in an SQLite file, or in memory."""

    def __init__(self, database: SqliteDatabase, registry: Registry) -> None:
        self._place = str(database.url)
        super().__init__(database, registry)
        self._sqlite = database
        self._run: Run = within_transaction if isinstance(database, HeldSqliteDatabase) else in_transaction
        self.sql_dialect = DIALECT

    def maintain(self, inline: Inline) -> None:
        super().maintain(inline)
        self._inlining = Inlining(inline, self.database, self._place)

    async def append_batch(self, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        """``wait`` makes no difference: there is one lock, and every append waits for it."""
        outcomes = await self._sqlite.write(lambda raw: append_independent(raw, appends, self._run, self._inlining))
        if any(isinstance(outcome, AppendResult) for outcome in outcomes):
            self.wakeups.wake()
        return outcomes

    async def append_together(
        self, appends: Sequence[Append], condition: AppendCondition | None = None
    ) -> list[AppendResult]:
        results = await self._sqlite.write(
            lambda raw: append_together(raw, appends, condition, self._run, self._inlining)
        )
        self.wakeups.wake()
        return results

    def joined(self, held: Any) -> Log:
        log = SqliteLog(HeldSqliteDatabase(self._sqlite, held), self.registry)
        log.maintain(self.inline)
        return log

    async def head(self) -> int:
        async with self.database.connection() as connection:
            [(position,)] = await connection.execute(statement("last_position"))
        return int(position)

    async def state(self, position: int) -> LogState:
        async with self.database.connection() as connection:
            [row] = await connection.execute(statement("state"), (position,))
        return state_of(row)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, columns: Columns
    ) -> list[RecordedEvent]:
        sql = statement("read_stream").format(columns=COLUMNS[columns], order="DESC" if backwards else "ASC")
        parameters = (stream, after, 2**63 - 1 if until is None else until, limit)
        if columns == "all":
            return await self._fetch(sql, parameters)
        return await self._fetch_for_fold(stream, sql, parameters)

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        return await self._fetch(*select_events(query, part, DIALECT))

    async def _fetch(self, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        def fetch(raw: sqlite3.Connection) -> list[RecordedEvent]:
            return [
                RecordedEvent(
                    position, stream, version, id, type, schema_version, data, metadata,
                    () if tags == "[]" else _decode_tags(tags), occurred, recorded, registry,
                )
                for position, stream, version, id, type, schema_version, data, metadata, tags, occurred, recorded
                in raw.execute(sql, parameters)
            ]  # fmt: skip

        registry = self.registry
        async with self._sqlite.reader() as connection:
            return await connection.run(fetch)

    async def _fetch_for_fold(self, stream: str, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        def fetch(raw: sqlite3.Connection) -> list[RecordedEvent]:
            return [
                RecordedEvent(position, stream, version, b"", type, schema_version, data, b"{}", (), 0, 0, registry)
                for position, version, type, schema_version, data in raw.execute(sql, parameters)
            ]

        registry = self.registry
        async with self._sqlite.reader() as connection:
            return await connection.run(fetch)
