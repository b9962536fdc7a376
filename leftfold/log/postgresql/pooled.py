"""Appends over the database's own connections: again on another when a connection dies, with the same ids.

A former attempt that is still running holds the locks of its streams. So the repetition waits for the end of that
attempt, and then finds its events, or none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from psycopg.errors import ProgrammingError, UniqueViolation

from leftfold.database.postgresql.connection import BEGIN, COMMIT, PostgresqlConnection, rolled_back
from leftfold.database.postgresql.database import PooledConnection, PostgresqlDatabase
from leftfold.database.protocol import Statement
from leftfold.errors import ProcessorOutdated, StoreUnavailable
from leftfold.log.append import BUSY, Append, AppendResult, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.inline.protocol import Inline
from leftfold.log.postgresql.outcomes import REFUSALS, Answer, concerns_batch, read_answer, stored_appends
from leftfold.log.postgresql.parameters import append_one_parameters, append_parameters
from leftfold.log.postgresql.retry import retry_lost
from leftfold.log.postgresql.sender import check_inline_set
from leftfold.log.postgresql.statements import statement

Result = TypeVar("Result")


class Announce(Protocol):
    """Announces stored events; ``elsewhere`` tells that another process listens."""

    def __call__(self, *, elsewhere: bool) -> None: ...


class PooledSender:
    """A `Sender` with retries; it calls ``announce`` when events were stored."""

    def __init__(self, database: PostgresqlDatabase, lines: int, announce: Announce) -> None:
        self._database = database
        self._announce = announce
        self._sleep = database.sleep
        self._append_one = statement("append_one", database)
        self._patient = database.waiting.semaphore(max(1, database.pool_size - 2 * lines))

    async def append_one(self, append: Append, *, wait: bool) -> Outcome | None:
        sql, parameters = self._append_one, append_one_parameters(append, wait=wait)
        try:
            status, version, position, listened = await self._write(
                lambda connection: connection.call(sql, parameters), wait
            )
        except (*REFUSALS, StoreUnavailable) as error:
            if not concerns_batch(error):
                raise
            return None
        if status is None:
            return None
        if version is None or position is None:
            return BUSY
        self._announce(elsewhere=listened == b"t")
        return AppendResult(int(version), int(position))

    async def append(
        self,
        appends: Sequence[Append],
        inline: Inline,
        *,
        together: bool,
        wait: bool,
        condition: AppendCondition | None = None,
    ) -> Answer:
        sql = statement("append_inline" if inline.digest else "append", self._database)
        parameters = append_parameters(appends, together=together, wait=wait, condition=condition, inline=inline.digest)

        async def send(connection: PooledConnection) -> Answer:
            return read_answer(await connection.call(sql, parameters))

        async def send_and_maintain(connection: PooledConnection) -> Answer:
            async with rolled_back(connection):
                first = [BEGIN, Statement(sql, parameters)]
                [_, [row]], rows = await inline.fetch(connection, appends, first)
                answer = Answer(*row)
                changes = inline.fold(list(stored_appends(appends, together, answer)), rows)
                await connection.execute_all([*changes, COMMIT])
            return answer

        ask: Callable[[PooledConnection], Awaitable[Answer]] = send_and_maintain if inline.digest else send
        try:
            try:
                answer = await self._write(ask, wait)
            except UniqueViolation:
                if not together and len(appends) > 1:
                    raise
                # An id was committed while this call was on its way, for example by its own former attempt. A new
                # snapshot sees it, and tells a repetition from a clash.
                answer = await self._write(ask, wait)
        except (ProcessorOutdated, ProgrammingError):
            await check_inline_set(self, self._database, inline)
            raise
        if answer.listened is not None:
            self._announce(elsewhere=answer.listened)
        return answer

    def ask(self, question: Callable[[PostgresqlConnection], Awaitable[Result]]) -> Awaitable[Result]:
        return retry_lost(self._database.connection, question, self._sleep)

    async def head(self) -> int:
        sql = statement("head", self._database)
        [(position,)] = await self.ask(lambda connection: connection.execute(sql))
        return int(position)

    def _write(self, ask: Callable[[PooledConnection], Awaitable[Result]], wait: bool) -> Awaitable[Result]:
        """Patient appends use the pool; impatient ones use the kept connections, so they are never starved."""
        return self._write_patiently(ask) if wait else retry_lost(self._database.kept, ask, self._sleep)

    async def _write_patiently(self, ask: Callable[[PooledConnection], Awaitable[Result]]) -> Result:
        async with self._patient:
            return await retry_lost(self._database.pooled, ask, self._sleep)
