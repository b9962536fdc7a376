"""The `Log` over a primary with a streaming replica: long reads come from the replica, and stay exact.

Appends, the horizon, and reads for a fold (the loads that decide, which are short) are the primary's. Pages of the log
at or below the horizon come from the replica if it shows all of them too. So do pages of a stream up to the version
that the primary shows. Otherwise they come from the primary: see `leftfold.database.postgresql.replica`.
"""

from __future__ import annotations

from leftfold.database.postgresql.replica import Mark, ReplicatedDatabase
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.epochs import LogState, state_of
from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.select import Columns, Range


class ReplicatedLog(PostgresqlLog):
    """The log in a PostgreSQL schema, read from a replica where that is exact."""

    def __init__(self, database: ReplicatedDatabase, registry: Registry) -> None:
        super().__init__(database, registry)
        self.replica = database.replica
        self._mark: Mark | None = None  # of the latest horizon that was handed out

    async def head(self) -> int:
        return (await self.state(0)).head

    async def state(self, position: int) -> LogState:
        sql = self._statement("state_marked")
        [row] = await self._sender.ask(lambda connection: connection.execute(sql, (position,)))
        state = state_of(row[:5])
        self._mark = None if state.head_id is None else Mark(state.head, state.head_id, *row[5:])
        return state

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        """Only the primary knows of events above the mark, which a decision reads: they may still be on their way."""
        mark = self._mark
        if mark is not None and part.until <= mark.position:
            sql, parameters = await self._select(query, part)
            if (rows := await self.replica.rows(mark, sql, parameters)) is not None:
                return self._recorded(rows)
        return await super().read_log_page(query, part)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, columns: Columns
    ) -> list[RecordedEvent]:
        if columns == "fold":
            return await super().read_stream_page(stream, after, until, limit, backwards, columns)
        sql = self._statement("stream_tail_marked")
        tails = await self._sender.ask(lambda connection: connection.execute(sql, (stream,)))
        version = tails[0][0] if tails else 0
        until = version if until is None else min(until, version)
        if after >= until:
            return []
        rows = await self.replica.rows(
            Mark(*tails[0][1:]), *self._select_stream(stream, after, until, limit, backwards, columns)
        )
        if rows is not None:
            return self._recorded(rows)
        return await super().read_stream_page(stream, after, until, limit, backwards, columns)
