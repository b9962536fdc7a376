"""Many writers whose streams meet in the same rows: no update is lost, and nobody waits in a circle."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import Any

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Door
from leftfold.testing.conformance.facts import counted, registry, tagged
from tests.inline.conftest import Open
from tests.inline.models import ALL, Share, assert_exact, number_of, shares, stored

PATIENCE = 120.0


class Pot(lf.ReadModel):
    pot: lf.Key[int]
    events: int = 0
    total: int = 0


@lf.projection(Pot, on=["conformance.counted"], key=lambda _: 0)
def pot(row: Pot | None, recorded: lf.RecordedEvent) -> Pot:
    row = row or Pot(0)
    return row.replace(events=row.events + 1, total=row.total + number_of(recorded))


class Slot(lf.ReadModel):
    slot: lf.Key[int]
    events: int = 0
    total: int = 0


def _slots(recorded: lf.RecordedEvent) -> int | list[int]:
    """From 1,000 on one slot, which it makes; below that four of the twelve, in any order."""
    number = number_of(recorded)
    return number - 1000 if number >= 1000 else random.Random(number).sample(range(12), 4)


@lf.projection(Slot, on=["conformance.counted"], key=_slots)
def slots(row: Slot | None, recorded: lf.RecordedEvent) -> Slot:
    number = number_of(recorded)
    return Slot(number - 1000) if row is None else row.replace(events=row.events + 1, total=row.total + number)


def test_two_streams_that_touch_one_row_at_once_lose_no_update(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(connect(inline=[pot, shares])) for _ in range(4)]

            async def write(store: Door, number: int) -> None:
                for turn in range(10):
                    await store.append(f"Thing-{number % 2}", counted(1, 100 * number + turn))

            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(write(stores[number % 4], number) for number in range(16)))

    asyncio.run(check())
    assert stored(looking, Pot) == {
        0: Pot(0, 160, sum(100 * number + turn for number in range(16) for turn in range(10)))
    }
    assert_exact(looking, [pot, shares])


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.exhaustive)])
def test_rows_and_streams_in_any_order_never_wait_in_a_circle(connect: Open, looking: lf.EventStore, seed: int) -> None:
    """Appends of every kind, to streams and rows in orders that cross, from stores that know nothing of each other."""

    async def check() -> None:
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(connect(inline=[slots, *ALL])) for _ in range(3)]

            await stores[0].append("Thing-slots", counted(12, 1000))

            async def write(number: int) -> int:
                chance, store, done = random.Random(100 * seed + number), stores[number % 3], 0
                for _ in range(12):
                    names = chance.sample("abcdef", chance.randint(1, 4))
                    facts = [tagged(f"row:{one}", number=chance.randrange(500)) for one in names]
                    kind = chance.choice(["one", "all", "conditional"])
                    try:
                        if kind == "one":
                            await store.append(f"Thing-{names[0]}", facts[0])
                        elif kind == "all":
                            await store.append_all(
                                [lf.Write(f"Thing-{one}", fact) for one, fact in zip(names, facts, strict=True)]
                            )
                        else:
                            decision = await store.decision(lf.Query.of(tags=[f"row:{names[-1]}"]))
                            await store.append(f"Thing-{names[0]}", facts[0], condition=decision.condition)
                    except lf.ConditionFailed:
                        continue
                    done += len(names) if kind == "all" else 1
                return done

            async with asyncio.timeout(PATIENCE):
                appended = sum(await asyncio.gather(*map(write, range(12))))
        assert len(list(looking.read_all())) == 12 + appended

    asyncio.run(check())
    assert len(stored(looking, Slot)) == 12
    assert_exact(looking, [slots, *ALL])


def test_a_slow_transaction_holds_up_only_who_needs_its_rows(postgres_url: str) -> None:
    """On SQLite there is one writer at a time anyway."""

    async def check() -> None:
        async with (
            lf.connect_async(postgres_url, registry=registry, inline=[shares]) as slow,
            lf.connect_async(postgres_url, registry=registry, inline=[shares]) as other,
        ):
            async with slow.transaction() as tx:
                await tx.append("Thing-slow", counted(1, 3))
                waiting: list[Any] = [
                    asyncio.ensure_future(other.append(f"Thing-{one}", counted(1, 3))) for one in range(4)
                ]
                async with asyncio.timeout(PATIENCE):
                    await asyncio.gather(
                        *(
                            other.append(f"Thing-{4 + turn % 20}", counted(1, number))
                            for turn in range(40)
                            for number in (4, 5)
                        )
                    )
                assert not any(one.done() for one in waiting)
            await asyncio.gather(*waiting)

    asyncio.run(check())
    with lf.connect(postgres_url, registry=registry) as looking:
        assert stored(looking, Share)[3] == Share(3, 5, 15)
        assert_exact(looking, [shares])
