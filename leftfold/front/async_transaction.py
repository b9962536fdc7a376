"""The async twin of `leftfold.front.transaction`. Names, arguments and meanings are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from leftfold.front.async_log_face import AsyncLogFace
from leftfold.front.transaction import not_begun
from leftfold.log.contract import Log
from leftfold.log.transaction import execute, transaction
from leftfold.write.aggregate import Aggregate

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")


class AsyncTransaction(AsyncLogFace):
    """Appends inside a transaction, for asyncio; see `leftfold.front.transaction.Transaction`.

    From `AsyncEventStore.transaction`, which commits it, or `AsyncEventStore.using`.
    """

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of your own and return its rows; see `Transaction.execute`."""
        return await execute(self._log, sql, parameters)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens in the block is undone alone if the block raises; the transaction goes on."""
        async with self._log.database.transaction():
            yield


class AsyncTransactionBlock(AbstractAsyncContextManager[AsyncTransaction]):
    """What `AsyncEventStore.transaction` gives; see `leftfold.front.transaction.TransactionBlock`."""

    def __init__(self, log: Log) -> None:
        self._inside = transaction(log)

    async def __aenter__(self) -> AsyncTransaction:
        return AsyncTransaction(await self._inside.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inside.__aexit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(not_begun(name, "async with"))
