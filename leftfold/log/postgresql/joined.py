"""Appends inside a transaction that the user, or `leftfold.log.transaction`, ends.

At READ COMMITTED it promises what the log promises. At REPEATABLE READ and SERIALIZABLE the transaction looks at one
snapshot. An append that this snapshot cannot judge collides with a unique index, and comes out as
`TransactionConflict`. Conditions and inline projections would have to look past the snapshot, and are refused. With
inline projections an append is a savepoint, so that a refusal of theirs undoes this append alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from psycopg.errors import ProgrammingError

from leftfold.database.postgresql.connection import PostgresqlConnection
from leftfold.database.postgresql.held import HeldPostgresqlDatabase
from leftfold.database.protocol import Statement
from leftfold.errors import InvalidEvent, NotSupported, ProcessorOutdated, TransactionConflict
from leftfold.log.append import Append, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.inline.protocol import Inline
from leftfold.log.postgresql.outcomes import Answer, stored_appends
from leftfold.log.postgresql.parameters import append_parameters
from leftfold.log.postgresql.sender import check_inline_set
from leftfold.log.postgresql.statements import statement

Result = TypeVar("Result")


class HeldSender:
    """A `Sender` over a held connection, without retries: a lost connection takes the user's statements with it."""

    def __init__(self, database: HeldPostgresqlDatabase) -> None:
        self._database = database

    async def append_one(self, append: Append, *, wait: bool) -> Outcome | None:
        """``append_one_v1`` reports with errors, which would end the user's transaction: every append goes long."""
        return None

    async def append(
        self,
        appends: Sequence[Append],
        inline: Inline,
        *,
        together: bool,
        wait: bool,
        condition: AppendCondition | None = None,
    ) -> Answer:
        database, maintains, sql = self._database, inline.digest, statement("append_joined", self._database)
        parameters = append_parameters(appends, together=together, wait=wait, condition=condition, inline=maintains)
        try:
            async with database.transaction() if maintains else database.connection() as connection:
                first, rows = await inline.fetch(connection, appends, [Statement(sql, parameters)])
                [[(statuses, versions, positions, listened, text, *of_events)]] = first
                answer = Answer(statuses, versions, positions, listened, *of_events)
                await connection.execute_all(inline.fold(list(stored_appends(appends, together, answer)), rows))
        except (ProcessorOutdated, ProgrammingError):
            await check_inline_set(self, database, inline)
            raise
        database.listened |= bool(listened)
        _check(statuses[0], text, ", ".join(append.stream for append in appends))
        return answer

    async def ask(self, question: Callable[[PostgresqlConnection], Awaitable[Result]]) -> Result:
        async with self._database.connection() as connection:
            return await question(connection)

    async def head(self) -> int:
        sql = statement("head_joined", self._database)
        [(isolation, position)] = await self.ask(lambda connection: connection.execute(sql))
        if position is None:
            raise _fixed_snapshot(isolation)
        return int(position)


def _check(status: int, text: str, streams: str) -> None:
    """Raise what ``append_joined_v1`` reports of the batch as a whole."""
    match status:
        case 6:
            raise TransactionConflict(
                f"the append to {streams} met events that were committed after this transaction's snapshot was taken, "
                "or at the very same moment: roll it back and run all of it again"
            )
        case 7:
            raise InvalidEvent(f"the server refuses the append to {streams}: {text}")
        case 8:
            raise _fixed_snapshot(text)


def _fixed_snapshot(isolation: str) -> NotSupported:
    return NotSupported(
        f"this transaction is at {isolation.upper()}: its snapshot is fixed, and conditions, decisions, inline "
        "projections, head and read_all need to see what has been committed since. Use READ COMMITTED for it, or ask "
        "the store outside of it"
    )
