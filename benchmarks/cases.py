"""What is compared: the rows of the table, and what each side does for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BackEnd = Literal["postgresql", "sqlite"]
Side = Literal["ours", "peer", "raw"]
Unit = Literal["/s", "s"]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 1.2
    accounts: int = 2_000
    events: int = 50_000
    long: int = 10_000
    peer_events: int = 3_000
    """How many events the peer's projection works off; it would take a minute for all."""
    times: int = 5


QUICK = Size(rounds=1, seconds=0.1, accounts=20, events=200, long=100, peer_events=50, times=1)


@dataclass(frozen=True)
class Measurement:
    """One thing that one side does. ``place`` is a fresh database, the side's filled one, or a copy of that."""

    side: Side
    back_end: BackEnd
    measure: str
    arguments: tuple[tuple[str, Any], ...] = ()
    place: Literal["fresh", "filled", "copy"] = "fresh"


@dataclass(frozen=True)
class Target:
    """What is asked of leftfold: at least ``ratio`` times as good as ``side``."""

    side: Side
    ratio: float


@dataclass(frozen=True)
class Case:
    """A row: leftfold, and beside it the peer and the raw database where they can do the same."""

    name: str
    ours: Measurement
    peer: Measurement | None = None
    raw: Measurement | None = None
    unit: Unit = "/s"
    target: Target | None = None
    notes: Mapping[Side, str] = field(default_factory=dict)
    """What is to be known about a side's figure, or why it has none."""

    @property
    def back_end(self) -> BackEnd:
        """Where it is measured."""
        return self.ours.back_end

    def measurements(self) -> Iterator[Measurement]:
        """What the sides do for it."""
        yield from (one for one in (self.ours, self.peer, self.raw) if one is not None)


def cases(size: Size) -> list[Case]:
    """Every row, in the order of the table."""
    return [*_postgresql(size), *_sqlite(size)]


def _postgresql(size: Size) -> Iterator[Case]:
    def on(side: Side, measure: str, **arguments: Any) -> Measurement:
        return Measurement(side, "postgresql", measure, tuple(arguments.items()))

    seconds = size.seconds
    for callers, words, at_least in ((1, "one after another", 2.5), (8, "8 at once", 3.0), (64, "64 at once", None)):
        peer = on("peer", "append", callers=callers, seconds=seconds)
        raw = on("raw", "pgbench", callers=min(callers, 32), seconds=seconds)
        target = Target("peer", at_least) if at_least else None
        notes: dict[Side, str] = (
            {"raw": "64 at once: pgbench with 32 clients, which is its best"} if callers > 32 else {}
        )
        if callers == 1:
            yield Case(f"append, {words}", on("ours", "append", callers=1, seconds=seconds), peer, raw, target=target)
            yield Case(
                f"save an aggregate, {words}",
                on("ours", "save", callers=1, seconds=seconds),
                on("peer", "save", callers=1, seconds=seconds),
            )
            continue
        for door, measure in (("asyncio", "append_async"), ("threads", "append")):
            ours = on("ours", measure, callers=callers, seconds=seconds)
            yield Case(f"append, {words} ({door})", ours, peer, raw, target=target, notes=notes)
    yield from _reading(size, "postgresql", load=8.0, project=40.0)


def _sqlite(size: Size) -> Iterator[Case]:
    def on(side: Side, measure: str, **arguments: Any) -> Measurement:
        return Measurement(side, "sqlite", measure, (*arguments.items(), ("seconds", size.seconds)))

    yield Case(
        "append, one after another",
        on("ours", "append", callers=1),
        on("peer", "append", callers=1),
        on("raw", "loop"),
        target=Target("raw", 0.75),
    )
    yield Case("save an aggregate, one after another", on("ours", "save", callers=1), on("peer", "save", callers=1))
    for callers in (8, 64):
        for door, measure in (("asyncio", "append_async"), ("threads", "append")):
            yield Case(
                f"append, {callers} at once ({door})",
                on("ours", measure, callers=callers),
                on("peer", "append", callers=callers),
            )
    yield from _reading(size, "sqlite", load=None, project=None)


def _reading(size: Size, back_end: BackEnd, *, load: float | None, project: float | None) -> Iterator[Case]:
    times = (("times", size.times),)
    yield Case(
        f"load an aggregate of {size.long:,} events",
        Measurement("ours", back_end, "load", times, "filled"),
        Measurement("peer", back_end, "load", times, "filled"),
        unit="s",
        target=Target("peer", load) if load else None,
    )
    yield Case(
        "read and decode the whole log (events)",
        Measurement("ours", back_end, "read", (), "filled"),
        Measurement("peer", back_end, "read", (), "filled"),
    )
    peer = Measurement("peer", back_end, "project", (("events", size.peer_events),), "copy")
    yield Case(
        "catch a projection up (events)",
        Measurement("ours", back_end, "project", (("events", size.events + size.long),), "copy"),
        peer if back_end == "postgresql" else None,
        target=Target("peer", project) if project else None,
        notes={} if back_end == "postgresql" else {"peer": "SQLite: the peer has no subscriptions there"},
    )
