"""The `Log` over SQLite: appends in one hop each, reads in keyset pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from leftfold.database.sqlite.database import SqliteDatabase
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.append import Append, AppendResult, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.epochs import LogState, survey_of
from leftfold.log.select import Range, select_events
from leftfold.log.sqlite.append import Run, append_independent, append_together, in_transaction
from leftfold.log.sqlite.inline import Inlining
from leftfold.log.sqlite.statements import TERMS, statement

_BARE_COLUMNS = "e.position, e.version, e.type, e.schema_version, CAST(e.data AS BLOB)"
_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class SqliteLog(Log):
    """The log in an SQLite file, or in memory."""

    run: Run = staticmethod(in_transaction)

    def __init__(self, database: SqliteDatabase, registry: Registry) -> None:
        super().__init__(database, registry)
        self._sqlite = database
        self._place = str(database.url)
        self.terms = TERMS

    @property
    def _inlining(self) -> Inlining:
        return Inlining(self.inline, self.database, self._place)

    async def append_batch(self, appends: Sequence[Append], *, wait: bool = True) -> list[Outcome]:
        """``wait`` makes no difference: there is one lock, and everybody waits for it."""
        outcomes = await self._sqlite.write(lambda raw: append_independent(raw, appends, self.run, self._inlining))
        if any(isinstance(outcome, AppendResult) for outcome in outcomes):
            self.audience.wake()
        return outcomes

    async def append_together(
        self, appends: Sequence[Append], condition: AppendCondition | None = None
    ) -> list[AppendResult]:
        results = await self._sqlite.write(
            lambda raw: append_together(raw, appends, condition, self.run, self._inlining)
        )
        self.audience.wake()
        return results

    def joined(self, held: Any) -> Log:
        from leftfold.log.sqlite.joined import JoinedSqliteLog

        return JoinedSqliteLog(self, held)

    async def head(self) -> int:
        async with self.database.connection() as connection:
            [(position,)] = await connection.execute(statement("last_position"))
        return int(position)

    async def survey(self, position: int) -> LogState:
        async with self.database.connection() as connection:
            [row] = await connection.execute(statement("survey"), (position,))
        return survey_of(row)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, bare: bool
    ) -> list[RecordedEvent]:
        columns, order = _BARE_COLUMNS if bare else TERMS.columns, "DESC" if backwards else "ASC"
        sql = statement("read_stream").format(columns=columns, order=order)
        parameters = (stream, after, 2**63 - 1 if until is None else until, limit)
        return await (self._fetch_bare(stream, sql, parameters) if bare else self._fetch(sql, parameters))

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        return await self._fetch(*select_events(query, part, TERMS))

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

    async def _fetch_bare(self, stream: str, sql: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        def fetch(raw: sqlite3.Connection) -> list[RecordedEvent]:
            return [
                RecordedEvent(position, stream, version, b"", type, schema_version, data, b"{}", (), 0, 0, registry)
                for position, version, type, schema_version, data in raw.execute(sql, parameters)
            ]

        registry = self.registry
        async with self._sqlite.reader() as connection:
            return await connection.run(fetch)
