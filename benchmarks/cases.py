"""What is compared: the rows of the table, and what each side does for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BackEnd = Literal["postgresql", "sqlite"]
Side = Literal["ours", "peer", "raw"]
Unit = Literal["/s", "s"]

PEER_AT_8 = "more than 8 at once: the peer with 8 threads, which is its best"
RAW_AT_32 = "more than 32 at once: pgbench with 32 clients, which is its best"
RAW_ROWS = "SQLite, several at once: the loop with as many rows in each transaction"
NOT_GROWN = "as the log grows: leftfold beside itself on a small log; the peer is measured on a small one only"
NOT_INLINE = "with an inline projection: the peer's projections run beside the appends only"
PEER_AT_2000 = "with 100,000 keys: the peer with 2,000, which is its best"
NOT_COMPARED = "of 1,000,000 events: leftfold beside itself; the peer would take half an hour for them"
NO_SUBSCRIPTIONS = "SQLite: the peer has no subscriptions there"


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
    deliveries: int = 50
    log: int = 1_000_000
    """How many tagged events a large log has."""
    small_log: int = 10_000
    many_keys: int = 100_000
    """How many accounts there are where rows do not fit into a projection's cache; with two events each."""
    processes: int = 16
    """How many contend for one database."""


QUICK = Size(
    rounds=1, seconds=0.1, accounts=20, events=200, long=100, peer_events=50, times=1, deliveries=3,
    log=2_000, small_log=2_000, many_keys=100, processes=2,
)  # fmt: skip


@dataclass(frozen=True)
class Filling:
    """What is in a database before it is measured: what a side fills it with when asked so."""

    measure: Literal["seed", "fill_courses"]
    arguments: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Measurement:
    """One thing that one side does. ``place`` is a fresh database, one that the side has filled, or a copy of that."""

    side: Side
    back_end: BackEnd
    measure: str
    arguments: tuple[tuple[str, Any], ...] = ()
    place: Literal["fresh", "filled", "copy"] = "fresh"
    filling: Filling | None = None
    """None: the bank's."""
    beside: Measurement | None = None
    """What is measured together with it, the two taking turns call by call, each in its own place."""
    once: bool = False
    """In the first round only, because it takes long."""


@dataclass(frozen=True)
class Target:
    """What is asked of leftfold: at least ``ratio`` times as good as ``side``; "itself" is the case's other figure."""

    side: Side | Literal["itself"]
    ratio: float


@dataclass(frozen=True)
class Limit:
    """What is asked of leftfold: at most so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Growth:
    """What is asked of leftfold: at most so many times what it costs ``at`` a smaller size, the case's other figure."""

    times: float
    at: str


@dataclass(frozen=True)
class Case:
    """A row: leftfold, and beside it the peer and the raw database where they can do the same."""

    name: str
    ours: Measurement
    peer: Measurement | None = None
    raw: Measurement | None = None
    unit: Unit = "/s"
    targets: tuple[Target | Limit | Growth, ...] = ()
    itself: Measurement | None = None
    """Something else that leftfold does, to compare with."""
    notes: Mapping[Side, str] = field(default_factory=dict)
    """What is to be known about a side's figure, or why it has none."""

    @property
    def back_end(self) -> BackEnd:
        """Where it is measured."""
        return self.ours.back_end

    def measurements(self) -> Iterator[Measurement]:
        """What the sides do for it."""
        itself = self.itself if self.itself != self.ours.beside else None
        yield from (measurement for measurement in (self.ours, self.peer, self.raw, itself) if measurement is not None)


def cases(size: Size) -> list[Case]:
    """Every row, in the order of the table."""
    return [*_postgresql(size), *_sqlite(size)]


def _postgresql(size: Size) -> Iterator[Case]:
    def on(side: Side, measure: str, **arguments: Any) -> Measurement:
        return Measurement(side, "postgresql", measure, tuple(arguments.items()))

    seconds = size.seconds
    for_one: Any = {"callers": 1, "seconds": seconds}
    peer_at_8 = on("peer", "append", callers=8, seconds=seconds)
    yield Case(
        "append, one after another",
        on("ours", "append", **for_one),
        on("peer", "append", **for_one),
        on("raw", "pgbench", **for_one),
        targets=(Target("peer", 2.5), Target("raw", 0.55)),
    )
    yield Case("save an aggregate, one after another", on("ours", "save", **for_one), on("peer", "save", **for_one))
    asked: dict[int, tuple[Target, ...]] = {
        8: (Target("peer", 3.0),),
        64: (Target("peer", 15.0), Target("raw", 1.0)),
        256: (Target("raw", 1.3),),
    }
    for callers, targets in asked.items():
        asynchronous = on("ours", "append_async", callers=callers, seconds=seconds)
        raw = on("raw", "pgbench", callers=min(callers, 32), seconds=seconds)
        notes: dict[Side, str] = {} if callers == 8 else {"peer": PEER_AT_8, "raw": RAW_AT_32}
        yield Case(f"append, {callers} at once (asyncio)", asynchronous, peer_at_8, raw, targets=targets, notes=notes)
        yield Case(
            f"append, {callers} at once (threads)",
            on("ours", "append", callers=callers, seconds=seconds),
            peer_at_8,
            raw,
            itself=asynchronous,
            targets=(Target("itself", 0.6),) if callers == 64 else (),
            notes=notes,
        )
    yield Case(
        "append, 64 at once (asyncio), with an inline projection",
        on("ours", "append_async", callers=64, seconds=seconds, inline=True),
        itself=on("ours", "append_async", callers=64, seconds=seconds),
        targets=(Target("itself", 1 / 1.6),),
        notes={"peer": NOT_INLINE},
    )
    contended: Any = {"callers": size.processes, "seconds": seconds}
    yield Case(
        f"append, {size.processes} processes, one at a time each",
        on("ours", "append_from_processes", **contended),
        on("peer", "append_from_processes", **contended),
        targets=(Target("peer", 3.0),),
    )
    yield Case(
        "deliver to another store's subscription",
        on("ours", "deliver", times=size.deliveries),
        on("peer", "deliver", times=size.deliveries),
        unit="s",
        targets=(Limit(0.010),),
    )
    yield from _deciding(size)
    yield from _growing(size, "postgresql")
    yield from _reading(size, "postgresql", load=8.0, project=60.0)
    yield from _catching_up(size)


def _sqlite(size: Size) -> Iterator[Case]:
    def on(side: Side, measure: str, **arguments: Any) -> Measurement:
        return Measurement(side, "sqlite", measure, (*arguments.items(), ("seconds", size.seconds)))

    alone = on("ours", "append", callers=1)
    yield Case(
        "append, one after another",
        alone,
        on("peer", "append", callers=1),
        on("raw", "loop"),
        targets=(Target("raw", 0.75),),
    )
    yield Case("save an aggregate, one after another", on("ours", "save", callers=1), on("peer", "save", callers=1))
    for callers in (8, 64):
        for door, measure in (("asyncio", "append_async"), ("threads", "append")):
            yield Case(
                f"append, {callers} at once ({door})",
                on("ours", measure, callers=callers),
                on("peer", "append", callers=callers),
                on("raw", "loop", rows=callers),
                itself=alone,
                targets=(Target("itself", 6.0),) if (callers, door) == (64, "asyncio") else (),
                notes={"raw": RAW_ROWS},
            )
    yield Case(
        "append, 64 at once (asyncio), with an inline projection",
        on("ours", "append_async", callers=64, inline=True),
        itself=on("ours", "append_async", callers=64),
        notes={"peer": NOT_INLINE},
    )
    yield Case(
        "deliver to another store's subscription",
        Measurement("ours", "sqlite", "deliver", (("times", size.deliveries),)),
        unit="s",
        notes={"peer": NO_SUBSCRIPTIONS},
    )
    yield from _growing(size, "sqlite")
    yield from _reading(size, "sqlite", load=None, project=None)


def _deciding(size: Size) -> Iterator[Case]:
    arguments = (("events", size.small_log), ("callers", 8), ("seconds", size.seconds))

    def on(side: Side, measure: str) -> Measurement:
        return Measurement(side, "postgresql", measure, arguments, "copy", _tagged(size.small_log))

    peer = on("peer", "append_on_condition")
    for door, measure in (("asyncio", "append_on_condition_async"), ("threads", "append_on_condition")):
        ours = on("ours", measure)
        yield Case(f"append on a condition, 8 at once ({door})", ours, peer, targets=(Target("peer", 3.0),))
    yield Case("decide and append, 8 at once (threads)", on("ours", "decide"), on("peer", "decide"))


def _growing(size: Size, back_end: BackEnd) -> Iterator[Case]:
    large, small = size.log, size.small_log
    for popular in (False, True):
        arguments = (("events", (large, small)), ("seconds", size.seconds), ("popular", popular))
        at_small = Measurement("ours", back_end, "costs_of_condition", arguments, "copy", _tagged(small, small // 100))
        at_large = Measurement("ours", back_end, "costs_of_condition", arguments, "filled", _large(size), at_small)
        yield Case(
            f"append on a condition, {f'tag of {large // 100:,}' if popular else f'log of {large:,}'}",
            at_large,
            unit="s",
            itself=at_small,
            targets=(Growth(1.3, f"{small:,}"),),
            notes={"peer": NOT_GROWN},
        )


def _tagged(events: int, rare: int = 0) -> Filling:
    return Filling("fill_courses", (("events", events), *((("rare", rare),) if rare else ())))


def _large(size: Size) -> Filling:
    """The large log, in which one event in a hundred is of another type."""
    return _tagged(size.log, size.log // 100)


def _catching_up(size: Size) -> Iterator[Case]:
    keys = size.many_keys
    seeded = Filling("seed", (("accounts", keys), ("events", 2 * keys), ("long", size.long)))
    yield Case(
        f"catch a projection up, {keys:,} keys (events)",
        Measurement("ours", "postgresql", "project", (("events", 2 * keys + size.long),), "copy", seeded),
        Measurement("peer", "postgresql", "project", (("events", size.peer_events),), "copy"),
        targets=(Target("peer", 20.0),),
        notes={"peer": PEER_AT_2000},
    )

    def on(measure: str, *, once: bool = True, **arguments: Any) -> Measurement:
        return Measurement("ours", "postgresql", measure, tuple(arguments.items()), "filled", _large(size), once=once)

    yield Case(
        f"catch up with 1 % of {size.log:,} events",
        on("catch_up", once=False, rare=True, events=size.log // 100),
        unit="s",
        itself=on("catch_up", rare=False, events=size.log),
        targets=(Target("itself", 20.0),),
        notes={"peer": NOT_COMPARED},
    )
    yield Case(
        f"catch up with {size.log:,} events, 2 workers, by CPU time",
        on("catch_up_with_workers", workers=2, events=size.log),
        itself=on("catch_up_with_workers", workers=1, events=size.log),
        targets=(Target("itself", 1.6),),
        notes={"peer": NOT_COMPARED},
    )


def _reading(size: Size, back_end: BackEnd, *, load: float | None, project: float | None) -> Iterator[Case]:
    times = (("times", size.times),)
    yield Case(
        f"load an aggregate of {size.long:,} events",
        Measurement("ours", back_end, "load", times, "filled"),
        Measurement("peer", back_end, "load", times, "filled"),
        unit="s",
        targets=(Target("peer", load),) if load else (),
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
        targets=(Target("peer", project),) if project else (),
        notes={} if back_end == "postgresql" else {"peer": NO_SUBSCRIPTIONS},
    )
