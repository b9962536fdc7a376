"""Repositories of aggregates: load, change, save; with the retry policy where it belongs, at the caller's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from leftfold import expected as expectation
from leftfold.arguments import whole_number
from leftfold.errors import HistoricalState, InvalidArgument
from leftfold.events.stream import stream_name
from leftfold.log.append import AppendResult
from leftfold.log.contract import Log
from leftfold.write.aggregate import Aggregate
from leftfold.write.load import Loaded, Loader
from leftfold.write.question import Question, ask
from leftfold.write.retry import DEFAULT_ATTEMPTS, retried
from leftfold.write.subject import of_aggregate

AggregateType = TypeVar("AggregateType", bound=Aggregate)
Arguments = ParamSpec("Arguments")


class AsyncRepository(Generic[AggregateType]):
    """The aggregates of a class; the engine, and the async door to it."""

    def __init__(self, log: Log, aggregate: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS) -> None:
        self._log = log
        self._subject = of_aggregate(aggregate)
        self._loader = Loader(log, self._subject)
        self._attempts = whole_number(attempts, "attempts", least=1)

    @asynccontextmanager
    async def create(self, id: str) -> AsyncIterator[AggregateType]:
        """A new aggregate, saved on a clean exit; `ConcurrencyError` then if the stream exists already."""
        stream_name(self._subject.category, id)
        made = self._adopted(id, Loaded(self._subject.fold.initial()), Question())
        yield made
        await self._append(made, expectation.NO_STREAM)

    async def get(
        self, id: str, *, version: int | None = None, at: datetime | None = None, known_at: datetime | None = None
    ) -> AggregateType:
        """The aggregate now, or as it was: by version, by when things happened, by when they were known.

        ``at`` and ``known_at`` are aware and inclusive; together they are bitemporal. What is loaded with any of them
        is history and cannot record. `AggregateNotFound` if there is none, or was none then.
        """
        question = ask(version, at, known_at)
        return self._adopted(id, await self._loader.load_existing(id, question), question)

    async def save(self, aggregate: AggregateType) -> AppendResult:
        """Append what is pending, at the version that was loaded; `ConcurrencyError` if that has passed.

        On an error everything stays pending, and saving again is safe: the events keep their ids.
        """
        return await self._append(aggregate, aggregate.version)

    @asynccontextmanager
    async def edit(self, id: str) -> AsyncIterator[AggregateType]:
        """The aggregate, to be changed in the block and saved on a clean exit; nothing is saved if the block raises."""
        aggregate = await self.get(id)
        yield aggregate
        await self.save(aggregate)

    async def update(
        self,
        id: str,
        command: Callable[Concatenate[AggregateType, Arguments], Any],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> AppendResult:
        """Load, run a command, save; all of it again on a conflict, after a random pause that grows.

        The last `ConcurrencyError` is raised when the repository's ``attempts`` are used up, and tells their number.
        """

        async def attempt() -> AppendResult:
            aggregate = await self.get(id)
            command(aggregate, *args, **kwargs)
            return await self.save(aggregate)

        return await retried(attempt, self._attempts, self._log.database.sleep)

    async def _append(self, aggregate: AggregateType, expected: int) -> AppendResult:
        if type(aggregate) is not self._subject.state_type:
            raise InvalidArgument(
                f"this is the repository of {self._subject.name}: expected such an aggregate, found {aggregate!r}"
            )
        if not aggregate.id:
            raise InvalidArgument(
                f"this {self._subject.name} has no id: get it from a repository, with create(id) for a new one"
            )
        if aggregate._historical:
            raise HistoricalState(f"this {self._subject.name} is {aggregate.id!r} as it was: history cannot be saved")
        stream = stream_name(self._subject.category, aggregate.id)
        before = Loaded(aggregate, aggregate.version, aggregate.position, aggregate._latest)
        saved = aggregate.pending
        ids = {new.id for new in saved}
        result = await self._log.append(stream, saved, expected=expected)
        aggregate._pending = [new for new in aggregate._pending if new.id not in ids]  # what came meanwhile stays
        aggregate._version, aggregate._position = result.version, result.position
        due = self._loader.is_due(before.version, result.version)
        if due and not result.duplicate and not aggregate._pending:
            aggregate._latest = await self._loader.remember(aggregate.id, before, result.version, result.position)
        return result

    def _adopted(self, id: str, loaded: Loaded[AggregateType], question: Question) -> AggregateType:
        aggregate = loaded.state
        aggregate._id, aggregate._version, aggregate._position = id, loaded.version, loaded.position
        aggregate._pending, aggregate._latest, aggregate._historical = [], loaded.latest, not question.is_now
        return aggregate
