"""What conditions promise under concurrency, judged over the whole history of decisions and of the log."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from decimal import Decimal
from uuid import UUID

import leftfold as lf
from leftfold.testing.conformance.door import Connect, Door, doors, scenario
from leftfold.testing.conformance.facts import Counted, Paid, counted, registry, tagged

RACERS = 20
PATIENCE = 60.0
COUNTED = lf.Query.of(Counted, registry=registry)
_DECIDED_ON = (
    lf.Query.of(tags=["student:7"]),
    lf.Query.of(tags=["student:7", "course:1"]),
    COUNTED,
    lf.Query.of(category="Thing"),
    lf.Query.ALL,
    lf.Query.of("nothing") | lf.Query.of(tags=["student:7"]),
)
_TAG_Y = lf.Query.of(tags=["y"])
_CROSSING = (
    (_TAG_Y, lf.Query.of(tags=["x"])),
    (lf.Query.of(Paid, registry=registry), COUNTED),
    (lf.Query.of(category="Y"), lf.Query.of(category="X")),
    (_TAG_Y, COUNTED),
    (_TAG_Y, lf.Query.ALL),
)
"""What each of two reads: one appends something counted to X, tagged x, and the other something paid to Y, tagged y."""

Kept = list[tuple[lf.AppendCondition, list[UUID]]]
"""Conditions whose appends were acknowledged, and the ids of the events of each append."""


def violations(kept: Kept, everything: list[lf.RecordedEvent]) -> list[tuple[lf.AppendCondition, int]]:
    """Conditions that were said to hold, though an event that they did not know of stands before their append."""
    positions = {event.id: event.position for event in everything}
    return [
        (condition, event.position)
        for condition, ids in kept
        for event in everything
        if condition.after < event.position < min(positions[id] for id in ids)
        and event.position not in condition.seen
        and condition.unless.matches(event)
    ]


class DecisionRaceChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    def test_of_many_that_decided_on_the_same_exactly_one_wins(self, connect: Connect) -> None:
        async def check() -> None:
            async with AsyncExitStack() as stack:
                stores = await doors(stack, connect, 4)
                for query in 4 * _DECIDED_ON:
                    condition = (await stores[0].decision(query)).condition
                    outcomes = await asyncio.gather(
                        *(
                            stores[racer % 4].append(
                                f"Thing-{racer}", tagged("student:7", "course:1"), condition=condition
                            )
                            for racer in range(RACERS)
                        ),
                        return_exceptions=True,
                    )
                    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
                    assert kinds == ["AppendResult"] + ["ConditionFailed"] * (RACERS - 1), query

        asyncio.run(check())

    def test_of_two_that_cross_exactly_one_wins(self, connect: Connect) -> None:
        """Each reads what the other writes: were both stored, neither order would explain it."""

        async def check() -> None:
            async with AsyncExitStack() as stack:
                here, there = await doors(stack, connect, 2)
                for turn, (one_reads, other_reads) in enumerate(20 * _CROSSING):
                    first, second = await asyncio.gather(here.decision(one_reads), there.decision(other_reads))
                    paid = lf.NewEvent(Paid(amount=Decimal(1)), tags=["y"])
                    outcomes = await asyncio.gather(
                        here.append(f"X-{turn}", tagged("x"), condition=first.condition),
                        there.append(f"Y-{turn}", [paid], condition=second.condition),
                        return_exceptions=True,
                    )
                    kinds = sorted(type(outcome).__name__ for outcome in outcomes)
                    assert kinds == ["AppendResult", "ConditionFailed"], (one_reads, other_reads)

        asyncio.run(check())

    @scenario
    async def test_decisions_about_different_things_never_refuse_each_other(self, connect: Connect) -> None:
        async with AsyncExitStack() as stack:
            stores = await doors(stack, connect, 3)

            async def decide(number: int) -> None:
                store, mine = stores[number % 3], lf.Query.of(tags=[f"student:{number}"])
                for turn in range(8):
                    decision = await store.decision(mine)
                    assert len(decision.events) == turn
                    await store.append("Enrolment-all", tagged(f"student:{number}"), condition=decision.condition)

            async def write(number: int) -> None:
                for turn in range(8):
                    await stores[number % 3].append(f"Thing-{number}", [*tagged("other"), *counted(1, turn)])

            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*map(decide, range(24)), *map(write, range(6)))
            assert len(await stores[0].read("Enrolment-all")) == 24 * 8

    def test_no_mixture_of_appends_deadlocks_or_breaks_a_condition(self, connect: Connect) -> None:
        async def check() -> None:
            kept: Kept = []
            async with AsyncExitStack() as stack:
                stores = await doors(stack, connect, 3)
                for seed in (1, 2):
                    workers = (
                        self._mix(stores[worker % 3], random.Random(f"{seed} {worker}"), kept) for worker in range(24)
                    )
                    async with asyncio.timeout(PATIENCE):
                        await asyncio.gather(*workers)
                everything = await stores[0].read_all()
            assert violations(kept, everything) == []
            assert len(kept) > 20
            for stream in {event.stream for event in everything}:
                found = [event.version for event in everything if event.stream == stream]
                assert found == list(range(1, len(found) + 1))

        asyncio.run(check())

    async def _mix(self, store: Door, chance: random.Random, kept: Kept) -> None:
        """Whatever may be appended; only what the log promises may refuse it."""
        for _ in range(12):
            names = chance.sample(range(30), chance.choice([1, 1, 1, 2, 5, 12]))
            writes = [
                lf.Write(f"Thing-{name}", [_something(chance) for _ in range(chance.randrange(1, 4))]) for name in names
            ]
            condition = None
            if chance.random() < 0.6:
                condition = (await store.decision(_some_query(chance))).condition
            try:
                if len(writes) == 1:
                    await store.append(writes[0].stream, writes[0].events, condition=condition)
                else:
                    await store.append_all(writes, condition=condition)
            except lf.ConditionFailed:
                continue
            if condition is not None:
                kept.append((condition, [event.id for write in writes for event in write.events]))


def _something(chance: random.Random) -> lf.NewEvent:
    payload = chance.choice(
        [Counted(1), Paid(amount=Decimal(1)), lf.RawEvent("raw.a", b"1"), lf.RawEvent("raw.b", b"2")]
    )
    return lf.NewEvent(payload, tags=chance.sample([f"t:{number}" for number in range(12)], chance.randrange(4)))


def _some_query(chance: random.Random) -> lf.Query:
    query = _criterion(chance)
    while chance.random() < 0.4:
        query |= _criterion(chance)
    return query


def _criterion(chance: random.Random) -> lf.Query:
    tags = chance.sample([f"t:{number}" for number in range(12)], chance.choice([1, 1, 2, 3]))
    kind = chance.random()
    if kind < 0.8:
        return lf.Query.of(*(["raw.a", "raw.b"] if kind < 0.2 else []), tags=tags)
    if kind < 0.95:
        return lf.Query.of(chance.choice(["raw.a", "raw.b"]))
    return lf.Query.of(category="Thing") if kind < 0.97 else lf.Query.ALL
