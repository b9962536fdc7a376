"""Asking a store and writing down what it answers: each call before it is made, each answer after it came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, Literal, TypeVar

import leftfold as lf
from leftfold.doors.step import step
from leftfold.testing.trial.checker.tally import tally
from leftfold.testing.trial.record.facts import as_condition, as_query, as_write, new_events, registry
from leftfold.testing.trial.record.history import Journal
from leftfold.testing.trial.record.records import (
    Answer,
    Append,
    AppendAnswer,
    Call,
    Clash,
    Completion,
    ConditionConflict,
    Conflict,
    Decide,
    DecisionAnswer,
    Failure,
    Head,
    PositionAnswer,
    Project,
    ReadAnswer,
    ReadLog,
    ReadStream,
    Rollback,
    Unknown,
    sight,
)

DoorKind = Literal["sync", "async"]
Store = TypeVar("Store")
_THREADS = 64


class Desk:
    """A store, through either door, where calls are made and written down. Each sync call has a thread of its own."""

    def __init__(
        self, store: lf.EventStore | lf.AsyncEventStore, threads: ThreadPoolExecutor | None, journal: Journal
    ) -> None:
        self.store = store
        self._threads = threads
        self._journal = journal
        self._projector = store.projector([tally])

    async def ask(
        self,
        caller: str,
        call: Call,
        *,
        patience: float | None = None,
        found: list[lf.RecordedEvent] | None = None,
    ) -> Answer:
        """The answer, or `Unknown` when ``patience``, in seconds, is over first: then the caller walks away.

        The events that were read come into ``found``, too.
        """
        number = self._journal.call(caller, call)
        try:
            answer = await asyncio.wait_for(self._do(call, [] if found is None else found), patience)
        except TimeoutError as error:
            answer = Unknown("the caller walked away") if patience else answer_of(error)
        except Exception as error:
            answer = answer_of(error)
        self._journal.answer(number, answer)
        return answer

    async def transact(self, caller: str, calls: Sequence[Append], pause: float, *, commit: bool) -> None:
        """Several appends, to different streams, in one transaction that is then committed, or rolled back.

        What is refused is answered at once, the rest when the transaction has ended.
        """
        stored: dict[int, AppendAnswer] = {}
        rest: Answer | None = None
        try:
            if isinstance(self.store, lf.AsyncEventStore):
                async with self.store.transaction() as transaction:
                    await self._append_each(transaction, caller, calls, stored, lambda: asyncio.sleep(pause), commit)
            else:
                await self._call(lambda: self._transact_blocking(caller, calls, stored, pause, commit))
        except (_Withdrawn, lf.TransactionConflict):
            rest = Rollback()
        except Exception as error:
            rest = answer_of(error)
        for number, answer in stored.items():
            self._journal.answer(number, rest or answer)

    def _transact_blocking(
        self, caller: str, calls: Sequence[Append], stored: dict[int, AppendAnswer], pause: float, commit: bool
    ) -> None:
        async def sleep() -> None:
            time.sleep(pause)  # noqa: ASYNC251 - this thread's own

        assert isinstance(self.store, lf.EventStore)
        with self.store.transaction() as transaction:
            step(self._append_each(transaction, caller, calls, stored, sleep, commit))

    async def _append_each(
        self,
        transaction: lf.Transaction | lf.AsyncTransaction,
        caller: str,
        calls: Sequence[Append],
        stored: dict[int, AppendAnswer],
        sleep: Callable[[], Awaitable[None]],
        commit: bool,
    ) -> None:
        for call in calls:
            number = self._journal.call(caller, call)
            stored[number] = AppendAnswer(())
            writes = [as_write(submission) for submission in call.writes]
            try:
                results: Any = transaction.append_all(writes, condition=as_condition(call.condition))
                stored[number] = _appended(await results if isawaitable(results) else results)
            except REFUSALS as error:
                del stored[number]
                self._journal.answer(number, answer_of(error))
            await sleep()
        if not commit:
            raise _Withdrawn

    async def _do(self, call: Call, found: list[lf.RecordedEvent]) -> Answer:
        match call:
            case Append():
                return await self._append(call)
            case ReadStream(stream, after, limit, backwards):
                found += await self._all(self.store.read(stream, after=after, limit=limit, backwards=backwards))
                return ReadAnswer(tuple(sight(event) for event in found))
            case ReadLog(query, after, limit, backwards):
                asked = as_query(query)
                found += await self._all(self.store.read_all(asked, after=after, limit=limit, backwards=backwards))
                return ReadAnswer(tuple(sight(event) for event in found))
            case Decide(query):
                decision = await self._call(lambda: self.store.decision(as_query(query)))
                condition = decision.condition
                return DecisionAnswer(
                    tuple(sight(event) for event in decision.events), condition.after, tuple(condition.seen)
                )
            case Head():
                return PositionAnswer(await self._call(self.store.head))
            case Project():
                await self._call(self._projector.catch_up)
                return Completion()

    async def _append(self, call: Append) -> AppendAnswer:
        condition = as_condition(call.condition)
        if call.together:
            writes = [as_write(submission) for submission in call.writes]
            results = await self._call(lambda: self.store.append_all(writes, condition=condition))
        else:
            [write] = call.writes
            events = new_events(write.facts)
            result = await self._call(
                lambda: self.store.append(write.stream, events, expected=write.expected, condition=condition)
            )
            results = [result]
        return _appended(results)

    async def _call(self, method: Callable[[], Any]) -> Any:
        if self._threads is None:
            return await method()
        return await asyncio.get_running_loop().run_in_executor(self._threads, method)

    async def _all(self, found: Any) -> list[lf.RecordedEvent]:
        if self._threads is None:
            return [event async for event in found]
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: list(found))


class _Withdrawn(Exception):
    """A transaction is to be rolled back."""


REFUSALS = (lf.ConcurrencyError, lf.ConditionFailed, lf.DuplicateEvent)


def answer_of(error: Exception) -> Answer:
    """An error as it is written down; `Failure` if no promise allows it."""
    match error:
        case lf.ConcurrencyError():
            return Conflict(error.stream, error.expected, error.actual)
        case lf.ConditionFailed():
            return ConditionConflict(error.position)
        case lf.DuplicateEvent():
            return Clash()
        case lf.StoreUnavailable():
            return Unknown(str(error))
        case _:
            return Failure(f"{type(error).__name__}: {error}")


def _appended(results: Sequence[lf.AppendResult]) -> AppendAnswer:
    return AppendAnswer(tuple((result.version, result.position, result.duplicate) for result in results))


@asynccontextmanager
async def opened(url: str, door: DoorKind, journal: Journal) -> AsyncIterator[Desk]:
    """A desk at a store, as soon as it can be opened: the trial may have taken the server down."""
    if door == "async":
        store = await _patiently(lambda: lf.connect_async(url, registry=registry).open())
        try:
            yield Desk(store, None, journal)
        finally:
            await store.close()
        return
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(_THREADS) as threads:
        blocking = await _patiently(lambda: loop.run_in_executor(threads, lambda: lf.connect(url, registry=registry)))
        try:
            yield Desk(blocking, threads, journal)
        finally:
            blocking.close()


async def _patiently(connect: Callable[[], Awaitable[Store]]) -> Store:
    while True:
        try:
            return await connect()
        except lf.StoreUnavailable:
            await asyncio.sleep(0.1)
