"""Repositories of deciders: handle a command, get a state."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from leftfold.arguments import whole_number
from leftfold.events import NewEvent
from leftfold.events.stream import stream_name
from leftfold.log.append import AppendResult
from leftfold.log.contract import Log
from leftfold.write.decider import Decider, as_list
from leftfold.write.load import Loader
from leftfold.write.question import Question, ask
from leftfold.write.retry import DEFAULT_ATTEMPTS, retried
from leftfold.write.subject import of_decider

State = TypeVar("State")
Command = TypeVar("Command")


class AsyncDeciderRepository(Generic[State, Command]):
    """The states of a decider; the engine, and the async door to it."""

    def __init__(self, log: Log, decider: Decider[State, Command, Any], *, attempts: int = DEFAULT_ATTEMPTS) -> None:
        self._log = log
        self._decider = decider
        self._subject = of_decider(decider)
        self._loader = Loader(log, self._subject)
        self._attempts = whole_number(attempts, "attempts", least=1)

    async def handle(self, id: str, command: Command) -> AppendResult:
        """Load, decide, append; all of it again on a conflict, after a random pause that grows.

        The first command of an id finds the initial state. What ``decide`` raises comes out, and nothing is written;
        no event at all writes nothing either. The last `ConcurrencyError` tells the number of attempts.
        """

        async def attempt() -> AppendResult:
            loaded = await self._loader.load(id, Question())
            events = as_list(self._decider.decide(command, loaded.state))
            stream = stream_name(self._subject.category, id)
            result = await self._log.append(stream, events, expected=loaded.version)
            if self._loader.is_due(loaded.version, result.version):
                happened = (event.event if isinstance(event, NewEvent) else event for event in events)
                loaded.state = self._subject.fold.resume(loaded.state, happened)
                await self._loader.remember(id, loaded, result.version, result.position)
            return result

        return await retried(attempt, self._attempts, self._log.database.sleep)

    async def get(
        self, id: str, *, version: int | None = None, at: datetime | None = None, known_at: datetime | None = None
    ) -> State:
        """The state now, or as it was; `AggregateNotFound` if there is none. See `AsyncRepository.get`."""
        return (await self._loader.load_existing(id, ask(version, at, known_at))).state
