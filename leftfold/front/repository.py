"""The sync faces of repositories, stepped in the caller's own thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from leftfold.doors.step import step, step_inside
from leftfold.log.append import AppendResult
from leftfold.log.contract import Log
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository
from leftfold.write.retry import DEFAULT_ATTEMPTS

AggregateType = TypeVar("AggregateType", bound=Aggregate)
Arguments = ParamSpec("Arguments")
State = TypeVar("State")
Command = TypeVar("Command")


class Repository(Generic[AggregateType]):
    """The aggregates of one class, through the sync door; see `AsyncRepository`."""

    def __init__(self, log: Log, aggregate: type[AggregateType], *, attempts: int = DEFAULT_ATTEMPTS) -> None:
        self._engine = AsyncRepository(log, aggregate, attempts=attempts)

    def create(self, id: str) -> AbstractContextManager[AggregateType]:
        """A new aggregate, saved on a clean exit; `ConcurrencyError` then if the stream exists already."""
        return step_inside(self._engine.create(id))

    def get(
        self, id: str, *, version: int | None = None, at: datetime | None = None, known_at: datetime | None = None
    ) -> AggregateType:
        """The aggregate now, or as it was: by version, by when things happened, by when they were known.

        ``at`` and ``known_at`` are aware and inclusive; together they are bitemporal. What is loaded with any of them
        is history and cannot record. `AggregateNotFound` if there is none, or was none then.
        """
        return step(self._engine.get(id, version=version, at=at, known_at=known_at))

    def save(self, aggregate: AggregateType) -> AppendResult:
        """Append what is pending, at the version that was loaded; `ConcurrencyError` if that has passed.

        On an error everything stays pending, and saving again is safe: the events keep their ids.
        """
        return step(self._engine.save(aggregate))

    def edit(self, id: str) -> AbstractContextManager[AggregateType]:
        """The aggregate, to be changed in the block and saved on a clean exit; nothing is saved if the block raises."""
        return step_inside(self._engine.edit(id))

    def update(
        self,
        id: str,
        command: Callable[Concatenate[AggregateType, Arguments], Any],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> AppendResult:
        """Load, run a command, save; all of it again on a conflict, after a random pause that grows.

        The last `ConcurrencyError` is raised when the repository's ``attempts`` are used up, and tells their number.
        """
        return step(self._engine.update(id, command, *args, **kwargs))


class DeciderRepository(Generic[State, Command]):
    """The states of one decider, through the sync door; see `AsyncDeciderRepository`."""

    def __init__(self, log: Log, decider: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS) -> None:
        self._engine = AsyncDeciderRepository(log, decider, attempts=attempts)

    def handle(self, id: str, command: Command) -> AppendResult:
        """Load, decide, append; all of it again on a conflict, after a random pause that grows.

        The first command of an id finds the initial state. What ``decide`` raises comes out, and nothing is written;
        no event at all writes nothing either. The last `ConcurrencyError` tells the number of attempts.
        """
        return step(self._engine.handle(id, command))

    def get(
        self, id: str, *, version: int | None = None, at: datetime | None = None, known_at: datetime | None = None
    ) -> State:
        """The state now, or as it was; `AggregateNotFound` if there is none. See `Repository.get`."""
        return step(self._engine.get(id, version=version, at=at, known_at=known_at))
