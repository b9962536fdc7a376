"""Given these events, when this command, then those events: pure tests of the command side.

No database takes part. Yet every event, given or new, goes through its JSON as in a store. So a test cannot pass with
an event that could not be stored. The three words are Dan North's, and Emmett's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from leftfold.events import NewEvent, RawEvent, Registry, default_registry
from leftfold.events.new import encode_events
from leftfold.fold import Fold
from leftfold.testing.given_events import GivenEvents
from leftfold.testing.outcome import Outcome
from leftfold.write.aggregate import Aggregate, apply
from leftfold.write.decider import Decider, as_list

AggregateType = TypeVar("AggregateType", bound=Aggregate)
State = TypeVar("State")
Command = TypeVar("Command")
Happened = TypeVar("Happened")
Arguments = ParamSpec("Arguments")


class GivenAggregate(Generic[AggregateType]):
    """An aggregate class and a history; every ``when`` starts from that history again."""

    def __init__(self, cls: type[AggregateType], id: str, history: Sequence[Any], registry: Registry) -> None:
        self._cls = cls
        self._id = id
        self._history = history
        self._registry = registry

    def when(
        self,
        command: Callable[Concatenate[AggregateType, Arguments], Any],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Outcome[AggregateType]:
        """Run a command, once: ``when(BankAccount.deposit, Decimal(5))``. Its error is kept for ``then_raises``."""
        aggregate = self._replayed()

        def run() -> Sequence[NewEvent]:
            command(aggregate, *args, **kwargs)
            return aggregate.pending

        return _observed(aggregate, run, self._registry)

    def _replayed(self) -> AggregateType:
        aggregate = self._cls()
        aggregate._id, aggregate._version, aggregate._position = self._id, len(self._history), len(self._history)
        return Fold(lambda: aggregate, _apply).run(self._history)


class GivenDecider(Generic[State, Command]):
    """A decider and a history; every ``when`` starts from that history again."""

    def __init__(self, decider: Decider[State, Command, Any], history: Sequence[Any], registry: Registry) -> None:
        self._decider = decider
        self._history = history
        self._registry = registry

    def when(self, command: Command) -> Outcome[State]:
        """Decide about a command, once: ``when(Deposit(Decimal(5)))``. Its error is kept for ``then_raises``."""
        fold = Fold(self._decider.initial, self._decider.evolve)
        state = fold.run(self._history)

        def run() -> Sequence[NewEvent]:
            decided = as_list(self._decider.decide(command, state))
            return [event if isinstance(event, NewEvent) else NewEvent(event) for event in decided]

        outcome = _observed(state, run, self._registry)
        outcome.state = fold.resume(state, (new.event for new in outcome.events))
        return outcome


@overload
def given(
    of: type[AggregateType], *events: Any, id: str = "given", registry: Registry = default_registry
) -> GivenAggregate[AggregateType]: ...


@overload
def given(of: Sequence[Any], *, id: str = "given", registry: Registry = default_registry) -> GivenEvents: ...


@overload
def given(
    of: Decider[State, Command, Happened],
    *events: Happened | NewEvent | RawEvent,
    registry: Registry = default_registry,
) -> GivenDecider[State, Command]: ...


def given(of: Any, *events: Any, id: str = "given", registry: Registry = default_registry) -> Any:
    """An aggregate, or a decider's state, to which ``events`` have happened, in this order; none: nothing has yet.

    Or a list of events alone, for a projection to fold: ``given([…]).project(account_summary).expect([…])``.
    `in_stream` puts events into a stream.

    Events are registered event objects, `NewEvent`, or `RawEvent` for stored JSON of an older schema. They fold
    through ``apply`` or ``evolve`` as if read from a store. ``id`` is the aggregate's, and that of
    events outside `in_stream`. `InvalidEvent` or `UnknownEventType` if an event could not be stored.
    """
    if isinstance(of, (list, tuple)):
        if events:
            raise TypeError("given takes one list of events: given([…])")
        return GivenEvents(of, id, registry)
    history = [
        registry.decode(version, event.type, event.schema_version, event.data)
        for version, event in enumerate(encode_events(events, registry), start=1)
    ]
    if isinstance(of, Decider):
        return GivenDecider(of, history, registry)
    if not (isinstance(of, type) and issubclass(of, Aggregate)):
        raise TypeError(f"given takes an Aggregate class, a Decider or a list of events first, not {of!r}")
    return GivenAggregate(of, id, history, registry)


def _observed(state: State, run: Callable[[], Sequence[NewEvent]], registry: Registry) -> Outcome[State]:
    """What ``run`` gives or raises; an event that could not be stored counts as an error of the command's."""
    try:
        events = run()
        encode_events(events, registry)
    except Exception as error:
        return Outcome(state, (), error, registry)
    return Outcome(state, events, None, registry)


def _apply(aggregate: AggregateType, event: Any) -> AggregateType:
    apply(aggregate, event)
    return aggregate
