"""Projections over the facts of the conformance suite: one whose rows belong to a stream, two whose rows are shared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import leftfold as lf
from leftfold.read.projection.keyed import Projection
from leftfold.testing.conformance.facts import registry

REMAINDERS = 5
BAD = 13
"""The number that no fold of `tallies` takes."""


class Tally(lf.ReadModel):
    """What happened in a stream."""

    stream_id: lf.Key[str]
    events: int = 0
    total: int = 0
    last: int = 0


class Share(lf.ReadModel):
    """What happened to everything with the same remainder, whatever its stream."""

    remainder: lf.Key[int]
    events: int = 0
    total: int = 0


class Daily(lf.ReadModel):
    """What happened on a day."""

    day: lf.Key[date]
    events: int = 0


def number_of(recorded: lf.RecordedEvent) -> int:
    """Of an event, 0 if it has none that can be read: the suite appends such events, too."""
    try:
        number: int = recorded.event.number
    except lf.errors.DecodeError:
        return 0
    return number


@lf.projection(Tally, category="Thing", on=["conformance.counted"])
def tallies(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
    row = row or Tally(recorded.stream_id)
    return row.replace(events=row.events + 1, total=row.total + number_of(recorded), last=recorded.version)


@lf.projection(Share, on=["conformance.counted"], key=lambda recorded: number_of(recorded) % REMAINDERS)
def shares(row: Share | None, recorded: lf.RecordedEvent) -> Share:
    number = number_of(recorded)
    row = row or Share(number % REMAINDERS)
    return row.replace(events=row.events + 1, total=row.total + number)


@lf.projection(Daily, on=["conformance.counted"], key=lambda recorded: recorded.occurred_at.date())
def days(row: Daily | None, recorded: lf.RecordedEvent) -> Daily:
    row = row or Daily(recorded.occurred_at.date())
    return row.replace(events=row.events + 1)


@lf.projection(Tally, category="Thing", on=["conformance.counted"], name="tallies")
def strict_tallies(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
    if number_of(recorded) == BAD:
        raise ValueError("unlucky")
    return tallies(row, recorded)  # type: ignore[return-value]


ALL: list[Projection[Any]] = [tallies, shares, days]


def stored(store: lf.EventStore, model: type[Any]) -> dict[Any, Any]:
    """The rows of a read model by key."""
    return {getattr(row, model.__struct_fields__[0]): row for row in store.view(model).find()}


def folded(store: lf.EventStore, by: Projection[Any]) -> dict[Any, Any]:
    """The rows that follow from the log, made by a plain dict."""
    rows: dict[Any, Any] = {}
    for recorded in store.read_all(by.query(registry)):
        for key in by.keys_of(recorded):
            rows[key] = by.evolve(rows.get(key), recorded, key)
    return {key: row for key, row in rows.items() if row is not None}


def assert_exact(store: lf.EventStore, projections: Iterable[Projection[Any]] = ALL) -> None:
    """Every row is what the log adds up to, and none is missing."""
    for one in projections:
        assert stored(store, one.model) == folded(store, one), one
