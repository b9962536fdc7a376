"""What happens in a trial: notes of all kinds, money that moves between accounts, and seats that are claimed once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

import leftfold as lf
from leftfold.testing.trial.record.records import Condition, Criterion, Fact, Query, Submission

registry = lf.Registry()
"""The trial's own event types; connect with it."""


class Noted(lf.Event, type="trial.noted", registry=registry):
    text: str


class Remarked(lf.Event, type="trial.remarked", registry=registry):
    """As `Noted`, and much rarer."""

    text: str


class Opened(lf.Event, type="trial.opened", registry=registry):
    amount: int


class Moved(lf.Event, type="trial.moved", registry=registry):
    """Half of a transfer; the other half stands in another account, with the amount negated."""

    transfer: str
    amount: int


class Claimed(lf.Event, type="trial.claimed", registry=registry):
    """A seat, which is a tag, can be claimed once: the condition of its append says so."""

    by: str


TYPES: dict[str, type[lf.Event]] = {
    "trial.noted": Noted,
    "trial.remarked": Remarked,
    "trial.opened": Opened,
    "trial.moved": Moved,
    "trial.claimed": Claimed,
}


def fact(chance: random.Random, event: lf.Event, tags: Iterable[str] = ()) -> Fact:
    """A new fact with an id from the seed."""
    data = msgspec.json.encode(event).decode()
    name = next(name for name, cls in TYPES.items() if type(event) is cls)
    return Fact(UUID(int=chance.getrandbits(128), version=4).hex, name, data, tuple(sorted(set(tags))))


def new_events(facts: Sequence[Fact]) -> list[lf.NewEvent]:
    """The facts as an append takes them."""
    return [
        lf.NewEvent(
            msgspec.json.decode(recorded.data, type=TYPES[recorded.type]), id=UUID(recorded.id), tags=recorded.tags
        )
        for recorded in facts
    ]


def as_condition(condition: Condition | None) -> lf.AppendCondition | None:
    if condition is None:
        return None
    return lf.AppendCondition(as_query(condition.unless), condition.after, condition.seen)


def as_write(submission: Submission) -> lf.Write:
    return lf.Write(submission.stream, new_events(submission.facts), submission.expected)


def as_query(query: Query) -> lf.Query:
    """The query as leftfold takes it."""
    first, *others = [_one(criterion) for criterion in query]
    for other in others:
        first = first | other
    return first


def _one(criterion: Criterion) -> lf.Query:
    return lf.Query.of(*criterion.types, tags=criterion.tags, category=criterion.category, registry=registry)
