"""The PostgreSQL log inside a transaction that somebody else ends.

At READ COMMITTED it promises what the log promises. At REPEATABLE READ and SERIALIZABLE the transaction looks at one
snapshot: an append that this snapshot cannot judge collides with a unique index, and comes out as
`TransactionConflict`; what would have to look past the snapshot is refused. With inline projections an append is a
savepoint, so that one that they refuse is undone alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from psycopg.errors import ProgrammingError

from leftfold.database.postgresql.connection import PostgresqlConnection
from leftfold.database.postgresql.held import HeldPostgresqlDatabase
from leftfold.database.protocol import Row, Statement
from leftfold.errors import InvalidEvent, NotSupported, ProcessorOutdated, TransactionConflict
from leftfold.log.append import Append, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.group_commit import Ungrouped
from leftfold.log.postgresql.log import PostgresqlLog
from leftfold.log.postgresql.outcomes import Answer, placed
from leftfold.log.postgresql.parameters import append_parameters

Result = TypeVar("Result")

_COLLIDED, _REFUSED, _NOT_SUPPORTED = 6, 7, 8


class JoinedPostgresqlLog(PostgresqlLog):
    """`PostgresqlLog` over a connection that a user holds."""

    committing = Ungrouped

    def __init__(self, log: PostgresqlLog, held: Any) -> None:
        self._held = HeldPostgresqlDatabase(log._postgresql, held)
        super().__init__(self._held, log.registry)
        self.inline = log.inline

    async def head(self) -> int:
        sql = self._statement("head_joined")
        [(isolation, position)] = await self._retried(lambda connection: connection.execute(sql))
        if position is None:
            raise _fixed_snapshot(isolation)
        return int(position)

    async def _append(
        self, appends: Sequence[Append], *, together: bool, wait: bool, condition: AppendCondition | None = None
    ) -> list[Row]:
        sql, inline = self._statement("append_joined"), self.inline.digest
        parameters = append_parameters(appends, together=together, wait=wait, condition=condition, inline=inline)
        try:
            async with self._held.transaction() if inline else self._held.connection() as connection:
                first, rows = await self.inline.fetch(connection, appends, [Statement(sql, parameters)])
                [[(statuses, versions, positions, listened, text, *of_events)]] = first
                answer = Answer(statuses, versions, positions, listened, *of_events)
                await connection.execute_all(self.inline.fold(list(placed(appends, together, answer)), rows))
        except (ProcessorOutdated, ProgrammingError):
            await self._check_inline_set()
            raise
        self._held.listened |= bool(listened)
        streams = ", ".join(append.stream for append in appends)
        if statuses[0] == _COLLIDED:
            raise TransactionConflict(
                f"the append to {streams} met events that were committed after this transaction's snapshot was taken, "
                "or at the very same moment: roll it back and run all of it again"
            )
        if statuses[0] == _REFUSED:
            raise InvalidEvent(f"the server refuses the append to {streams}: {text}")
        if statuses[0] == _NOT_SUPPORTED:
            raise _fixed_snapshot(text)
        return answer.rows()

    async def _append_one(self, append: Append, wait: bool) -> Outcome | None:
        """There is no short way here."""
        return None

    async def _retried(self, ask: Callable[[PostgresqlConnection], Awaitable[Result]]) -> Result:
        """Once: a lost connection has taken the user's own statements with it."""
        async with self._held.connection() as connection:
            return await ask(connection)


def _fixed_snapshot(isolation: str) -> NotSupported:
    return NotSupported(
        f"this transaction is at {isolation.upper()}: its snapshot is fixed, and conditions, decisions, inline "
        "projections, head and read_all need to see what has been committed since. Use READ COMMITTED for it, or ask "
        "the store outside of it"
    )
