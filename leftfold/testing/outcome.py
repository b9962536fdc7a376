"""What came of a command, and what a test may say about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Generic, Self, TypeVar

from leftfold.events import NewEvent, Registry
from leftfold.events.new import encode_events

State = TypeVar("State")
_UNSAID: Any = object()


class Outcome(Generic[State]):
    """The state after a command, its new ``events``, or the ``error`` that it raised.

    Every ``then…`` raises AssertionError when it does not hold, and returns the outcome, so that they can be chained.
    """

    def __init__(self, state: State, events: Sequence[NewEvent], error: Exception | None, registry: Registry) -> None:
        self.state = state
        self.events = events
        self.error = error
        self._registry = registry

    def then(self, *expected: Any) -> Self:
        """Exactly these events, in this order. A `NewEvent` also compares occurred_at, tags and metadata, never id.

        Tags are compared as they are stored: those that the event's fields declare need not be given, and may be.

        `InvalidEvent` or `UnknownEventType` if an expected event could not be stored.
        """
        __tracebackhide__ = True
        encode_events(expected, self._registry)
        self._did_not_raise(f"expected {_counted(expected)}")
        pairs = zip_longest(expected, self.events, fillvalue=_UNSAID)
        differs = [not _fits(want, found, self._registry) for want, found in pairs]
        if any(differs):
            raise AssertionError(_comparison(expected, self.events, differs))
        return self

    def then_nothing(self) -> Self:
        """No event, and no error."""
        __tracebackhide__ = True
        return self.then()

    def then_raises(self, kind: type[BaseException], *, match: str | None = None) -> Self:
        """An error of this kind, whose text the regular expression ``match`` finds. Nothing would be stored."""
        __tracebackhide__ = True
        wanted = f"expected {kind.__name__}"
        if self.error is None:
            raise AssertionError(f"{wanted}, but the command raised nothing. {_listed('actual', self.events)}")
        if not isinstance(self.error, kind):
            raise AssertionError(f"{wanted}, actual: {_shown(self.error)}") from self.error
        if match is not None and not re.search(match, str(self.error)):
            raise AssertionError(f"{wanted} matching {match!r}, actual: {_shown(self.error)}") from self.error
        return self

    def then_state(self, state: State = _UNSAID, /, **fields: Any) -> Self:
        """The state after the new events: equal to ``state``, or with these values in its fields."""
        __tracebackhide__ = True
        if state is _UNSAID and not fields:
            raise TypeError("then_state takes a state, or fields by name: then_state(balance=Decimal(5))")
        self._did_not_raise("expected a state")
        if state is not _UNSAID and self.state != state:
            raise AssertionError(f"the state differs:\n  expected: {state!r}\n  actual:   {self.state!r}")
        wrong = [
            f"  {name}: expected {value!r}, actual {getattr(self.state, name)!r}"
            for name, value in fields.items()
            if getattr(self.state, name) != value
        ]
        if wrong:
            raise AssertionError("\n".join(["the state differs:", *wrong]))
        return self

    def _did_not_raise(self, wanted: str) -> None:
        __tracebackhide__ = True
        if self.error is not None:
            raise AssertionError(f"{wanted}, but the command raised {_shown(self.error)}") from self.error


def _fits(want: Any, found: Any, registry: Registry) -> bool:
    if want is _UNSAID or found is _UNSAID:
        return False
    event = want.event if isinstance(want, NewEvent) else want
    same = type(event) is type(found.event) and bool(event == found.event)
    return same and (not isinstance(want, NewEvent) or _about(want, registry) == _about(found, registry))


def _about(new: NewEvent, registry: Registry) -> tuple[Any, ...]:
    [stored] = encode_events([new], registry)
    return stored.occurred_at, stored.tags, dict(new.metadata or {})


def _comparison(expected: Sequence[Any], actual: Sequence[NewEvent], marks: Sequence[bool]) -> str:
    circumstances = any(isinstance(event, NewEvent) for event in expected)
    found = actual if circumstances else [new.event for new in actual]
    return "\n".join(["the events differ:", _listed("expected", expected, marks), _listed("actual", found, marks)])


def _listed(title: str, events: Sequence[Any], marks: Sequence[bool] = ()) -> str:
    lines = [
        f"  {'>' if differs else ' '} {number}. {_describe(event)}"
        for number, (event, differs) in enumerate(zip_longest(events, marks[: len(events)], fillvalue=False), start=1)
    ]
    return "\n".join([f"{title}:", *lines]) if lines else f"{title}: no events"


def _describe(event: Any) -> str:
    """An event as code; what was said about it, but for its id, behind it."""
    if not isinstance(event, NewEvent):
        return repr(event)
    said = [("occurred_at", event.occurred_at), ("tags", event.tags), ("metadata", event.metadata)]
    return " ".join([repr(event.event), *(f"{name}={value!r}" for name, value in said if value)])


def _counted(events: Sequence[Any]) -> str:
    return f"{len(events)} event{'' if len(events) == 1 else 's'}" if events else "no events"


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
