"""How a log's appends and questions reach PostgreSQL: over the pool (`pooled`), or in a held transaction (`joined`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from leftfold.database.postgresql.connection import PostgresqlConnection
from leftfold.database.protocol import Database
from leftfold.log.append import Append, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.inline.inline_set import InlineSet, outdated, read_inline_set
from leftfold.log.inline.protocol import Inline
from leftfold.log.postgresql.outcomes import Answer

Result = TypeVar("Result")


class Sender(Protocol):
    """Sends appends, and asks."""

    async def append_one(self, append: Append, *, wait: bool) -> Outcome | None:
        """The short way, for one plain event without inline projections: stored, or busy.

        None: it has stored nothing, and `append` must judge.
        """

    async def append(
        self,
        appends: Sequence[Append],
        inline: Inline,
        *,
        together: bool,
        wait: bool,
        condition: AppendCondition | None = None,
    ) -> Answer:
        """The long way: one transaction, or savepoint, in which ``append_v1`` judges and stores the appends.

        Appends to the same stream stand side by side. `BatchRefused` comes from an inline projection,
        `ProcessorOutdated` if another set of them is recorded by now.
        """

    def ask(self, question: Callable[[PostgresqlConnection], Awaitable[Result]]) -> Awaitable[Result]:
        """Put a question to a connection. Nothing is written, so it may be asked again."""

    async def head(self) -> int:
        """The horizon."""


async def recorded_inline_set(sender: Sender, database: Database) -> InlineSet:
    """The inline projections that the database records now."""
    return await sender.ask(lambda connection: read_inline_set(connection, database))


async def check_inline_set(sender: Sender, database: Database, inline: Inline) -> None:
    """`ProcessorOutdated` if another set is recorded by now, whose tables need not be there as they were."""
    if inline.digest and (recorded := await recorded_inline_set(sender, database)) != inline.members:
        raise outdated(recorded, inline.members)
