"""What is promised under concurrency, shown by racing real connections and checking the whole history."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import leftfold as lf
from leftfold.testing.conformance.door import Connect, Door, doors, scenario
from leftfold.testing.conformance.facts import counted

RACERS = 20
PATIENCE = 60.0


class RaceChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    def test_of_many_racers_at_one_version_exactly_one_wins(self, connect: Connect) -> None:
        async def check() -> None:
            async with AsyncExitStack() as stack:
                stores = await doors(stack, connect, 4)
                for turn, existing in enumerate((0, 3) * 5):
                    stream = f"Thing-{turn}"
                    await stores[0].append(stream, counted(existing))
                    outcomes = await asyncio.gather(
                        *(
                            stores[racer % 4].append(stream, counted(1, racer), expected=existing)
                            for racer in range(RACERS)
                        ),
                        return_exceptions=True,
                    )
                    won = [outcome for outcome in outcomes if isinstance(outcome, lf.AppendResult)]
                    lost = [outcome for outcome in outcomes if isinstance(outcome, lf.ConcurrencyError)]
                    assert (len(won), len(lost)) == (1, RACERS - 1), outcomes
                    assert all(error.actual == existing + 1 for error in lost)
                    assert len(await stores[0].read(stream)) == existing + 1

        asyncio.run(check())

    def test_any_and_exists_never_fail_on_a_race(self, connect: Connect) -> None:
        async def check() -> None:
            async with AsyncExitStack() as stack:
                stores = await doors(stack, connect, 4)
                for stream, expected in (("Thing-any", lf.ANY_VERSION), ("Thing-exists", lf.STREAM_EXISTS)):
                    await stores[0].append(stream, counted(1))
                    results = await asyncio.gather(
                        *(
                            stores[racer % 4].append(stream, counted(2, racer), expected=expected)
                            for racer in range(RACERS)
                        )
                    )
                    assert sorted(result.version for result in results) == list(range(3, 2 * RACERS + 2, 2))
                    recorded = await stores[0].read(stream)
                    assert [event.version for event in recorded] == list(range(1, 2 * RACERS + 2))
                    assert [event.position for event in recorded] == sorted(event.position for event in recorded)

        asyncio.run(check())

    @scenario
    async def test_one_fact_raced_into_two_streams_is_stored_once(self, connect: Connect) -> None:
        async with connect() as here, connect() as there:
            for turn in range(10):
                [fact] = counted(1)
                outcomes = await asyncio.gather(
                    *(store.append(f"Thing-{turn}{name}", [fact]) for store, name in ((here, "a"), (there, "b"))),
                    return_exceptions=True,
                )
                assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AppendResult", "DuplicateEvent"]
            assert len(await here.read_all()) == 10

    @scenario
    async def test_the_same_append_raced_with_itself_is_stored_once(self, connect: Connect) -> None:
        async with connect() as here, connect() as there:
            facts = counted(3)
            results = await asyncio.gather(*(store.append("Thing-a", facts) for store in (here, there) * 4))
            assert sorted(result.duplicate for result in results) == [False] + [True] * 7
            assert {(result.version, result.position) for result in results} == {(3, results[0].position)}
            assert len(await here.read("Thing-a")) == 3

    @scenario
    async def test_crossing_appends_to_many_streams_do_not_deadlock(self, connect: Connect) -> None:
        async with connect() as here, connect() as there:

            async def write(store: Door, names: str) -> None:
                for _ in range(15):
                    await store.append_all([lf.Write(f"Thing-{name}", counted(1)) for name in names])

            await asyncio.gather(*(write(store, names) for store in (here, there) for names in ("abc", "cba", "bca")))
            assert [len(await here.read(f"Thing-{name}")) for name in "abc"] == [90] * 3

    @scenario
    async def test_readers_and_a_follower_see_one_order_while_writers_race(self, connect: Connect) -> None:
        async with connect() as store, connect() as reading, store.follow() as follower:
            total = 10 * 40
            seen: list[lf.RecordedEvent] = []
            tailed: list[lf.RecordedEvent] = []

            async def write(number: int) -> None:
                chance = random.Random(number)
                for turn in range(20):
                    if chance.random() < 0.5:
                        await store.append(f"Thing-{number}", counted(2, turn))
                    else:
                        names = sorted({number, chance.randrange(10)})
                        writes = [lf.Write(f"Thing-{name}", counted(2 // len(names), turn)) for name in names]
                        await store.append_all(writes)

            async def read() -> None:
                while len(tailed) < total:
                    tailed.extend(await reading.read_all(after=tailed[-1].position if tailed else 0))
                    await asyncio.sleep(0)

            async def follow() -> None:
                while len(seen) < total:
                    seen.append(await follower.next())

            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(follow(), read(), *(write(number) for number in range(10)))
            everything = await store.read_all()
            assert len(everything) == total
            assert seen == everything
            assert tailed == everything
            for number in range(10):
                stream = [event for event in everything if event.stream == f"Thing-{number}"]
                assert [event.version for event in stream] == list(range(1, len(stream) + 1))
