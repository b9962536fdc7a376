"""The `Log` over a primary with a streaming replica: what is long to read comes from the replica, and stays exact.

Appends, the horizon, and *bare* reads (the loads that decide, which are short) are the primary's. Pages of the log at
or below the horizon, and of a stream up to the version that the primary shows, come from the replica as soon as it
shows all of that too, and from the primary whenever that is not so: see `leftfold.database.postgresql.replica`.
"""

from __future__ import annotations

from leftfold.database.postgresql.replica import Mark, ReplicatedDatabase
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log.epochs import LogState, survey_of
from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.select import Range


class ReplicatedLog(PostgresqlLog):
    """The log in a PostgreSQL schema, read from a replica where that is exact."""

    def __init__(self, database: ReplicatedDatabase, registry: Registry) -> None:
        super().__init__(database, registry)
        self.replica = database.replica
        self._mark: Mark | None = None  # of the latest horizon that was handed out

    async def head(self) -> int:
        return (await self.survey(0)).head

    async def survey(self, position: int) -> LogState:
        sql = self._statement("survey_marked")
        [row] = await self._retried(lambda connection: connection.execute(sql, (position,)))
        survey = survey_of(row[:5])
        self._mark = None if survey.head_id is None else Mark(survey.head, survey.head_id, *row[5:])
        return survey

    async def read_log_page(self, query: Query, part: Range) -> list[RecordedEvent]:
        """What may still be on its way is above the mark, as a decision reads it, and only the primary's to tell."""
        mark = self._mark
        if mark is not None and part.until <= mark.position:
            sql, parameters = await self._select(query, part)
            if (rows := await self.replica.rows(mark, sql, parameters)) is not None:
                return self._recorded(rows)
        return await super().read_log_page(query, part)

    async def read_stream_page(
        self, stream: str, after: int, until: int | None, limit: int, backwards: bool, bare: bool
    ) -> list[RecordedEvent]:
        if bare:
            return await super().read_stream_page(stream, after, until, limit, backwards, bare)
        sql = self._statement("stream_tail_marked")
        tails = await self._retried(lambda connection: connection.execute(sql, (stream,)))
        version = tails[0][0] if tails else 0
        until = version if until is None else min(until, version)
        if after >= until:
            return []
        rows = await self.replica.rows(
            Mark(*tails[0][1:]), *self._select_stream(stream, after, until, limit, backwards)
        )
        if rows is not None:
            return self._recorded(rows)
        return await super().read_stream_page(stream, after, until, limit, backwards, bare)
