"""What an append with inline projections comes to: its rows are there when it returns, or nothing of it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Door
from leftfold.testing.conformance.facts import Counted, an_append, counted, tagged
from tests.inline.conftest import Open
from tests.inline.models import ALL, BAD, Share, Tally, assert_exact, shares, stored, strict_tallies


def test_the_rows_are_there_when_append_returns(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(3, 1))
            assert looking.view(Tally).get("a") == Tally("a", events=3, total=6, last=3)
            await store.append("Thing-a", counted(1, 4))
            assert looking.view(Tally).get("a") == Tally("a", events=4, total=10, last=4)
            assert looking.view(Share).get(4) == Share(4, events=1, total=4)
            await store.append("Other-a", counted(1, 9))
            assert looking.view(Tally).count() == 1
            assert looking.view(Share).get(4) == Share(4, events=2, total=13)
            assert_exact(looking)

    asyncio.run(check())


def test_appends_that_travel_together_maintain_every_row(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            await asyncio.gather(*(store.append(f"Thing-{one % 7}", counted(1 + one % 3, one)) for one in range(120)))
        assert stored(looking, Tally).keys() == set("0123456")
        assert_exact(looking)

    asyncio.run(check())


def test_several_streams_and_conditions_maintain_their_rows(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            await store.append_all([lf.Write("Thing-a", counted(2)), lf.Write("Thing-b", counted(2, 3))])
            decision = await store.decision(lf.Query.of(tags=["seat:1"]))
            await store.append("Thing-a", tagged("seat:1", number=5), condition=decision.condition)
            with pytest.raises(lf.ConditionFailed):
                await store.append("Thing-b", tagged("seat:1", number=6), condition=decision.condition)
            with pytest.raises(lf.ConcurrencyError):
                await store.append_all([lf.Write("Thing-c", counted(1)), lf.Write("Thing-a", counted(1), 17)])
            with pytest.raises(lf.ConcurrencyError):
                await store.append("Thing-a", counted(1), expected=1)
            await store.append("Thing-a", [], expected=3)
        assert stored(looking, Tally) == {"a": Tally("a", 3, 8, 3), "b": Tally("b", 2, 7, 2)}
        assert_exact(looking)

    asyncio.run(check())


def test_a_repeated_append_is_applied_once(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            facts = counted(2)
            first = await store.append("Thing-a", facts)
            again = await asyncio.gather(*(store.append("Thing-a", facts) for _ in range(6)))
            assert {(one.version, one.position, one.duplicate) for one in again} == {(2, first.position, True)}
            both = [lf.Write("Thing-b", counted(1, 7)), lf.Write("Thing-c", counted(1, 8))]
            assert [one.duplicate for one in await store.append_all(both)] == [False, False]
            assert [one.duplicate for one in await store.append_all(both)] == [True, True]
        assert_exact(looking)

    asyncio.run(check())


async def outcomes_of(store: Door, numbers: list[int], streams: int) -> list[Any]:
    """What comes of appends of these numbers at once, each to one of some streams."""
    return await asyncio.gather(
        *(store.append(f"Thing-{at % streams}", counted(1, one)) for at, one in enumerate(numbers)),
        return_exceptions=True,
    )


@pytest.mark.parametrize("streams", [1, 5, 60])
def test_a_fold_that_raises_refuses_its_own_append_only(connect: Open, looking: lf.EventStore, streams: int) -> None:
    numbers = [BAD if at % 4 == 1 else 100 + at for at in range(60)]

    async def check() -> None:
        async with connect(inline=[strict_tallies, shares]) as store:
            outcomes = await outcomes_of(store, numbers, streams)
        for number, outcome in zip(numbers, outcomes, strict=True):
            if number != BAD:
                assert isinstance(outcome, lf.AppendResult), outcome
                continue
            assert isinstance(outcome, lf.ProcessorFailed), outcome
            assert (outcome.projection, outcome.position, outcome.reason) == ("tallies", None, "ValueError: unlucky")
            assert "Nothing was written" in str(outcome)
            assert isinstance(outcome.__cause__, ValueError)
        assert sorted(one.event.number for one in looking.read_all()) == [one for one in numbers if one != BAD]
        assert_exact(looking, [strict_tallies, shares])

    asyncio.run(check())


def test_of_several_streams_none_is_written_when_one_is_refused(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect(inline=[strict_tallies, shares]) as store:
            with pytest.raises(lf.ProcessorFailed, match="unlucky"):
                await store.append_all([lf.Write("Thing-a", counted(1)), lf.Write("Thing-b", counted(1, BAD))])
            condition = lf.AppendCondition(lf.Query.of(tags=["no:1"]))
            with pytest.raises(lf.ProcessorFailed, match="unlucky"):
                await store.append("Thing-a", counted(1, BAD), condition=condition)
            assert (await store.append("Thing-a", counted(1), expected=lf.NO_STREAM)).version == 1
        assert len(list(looking.read_all())) == 1
        assert_exact(looking, [strict_tallies, shares])

    asyncio.run(check())


def test_whoever_comes_behind_a_refused_append_is_judged_as_if_it_had_never_been(
    connect: Open, looking: lf.EventStore
) -> None:
    async def check() -> None:
        async with connect(inline=[strict_tallies, shares]) as store:
            appends = [
                an_append("Thing-a", counted(1, BAD), lf.NO_STREAM),
                an_append("Thing-a", counted(1, BAD), 1),
                an_append("Thing-a", counted(1, 2), 0),
                an_append("Thing-b", counted(1, 3), 0),
                an_append("Thing-a", counted(1, 4), 1),
            ]
            first, second, third, fourth, fifth = await store.append_batch(appends)
        assert isinstance(first, lf.ProcessorFailed)
        assert isinstance(second, lf.ConcurrencyError)
        assert second.actual == 0
        assert isinstance(third, lf.AppendResult)
        assert isinstance(fourth, lf.AppendResult)
        assert isinstance(fifth, lf.AppendResult)
        assert (third.version, fourth.version, fifth.version) == (1, 1, 2)
        assert stored(looking, Tally) == {"a": Tally("a", 2, 6, 2), "b": Tally("b", 1, 3, 1)}
        assert_exact(looking, [strict_tallies, shares])

    asyncio.run(check())


def test_a_row_that_does_not_fit_refuses_the_append(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(1, 2**63 - 1))
            with pytest.raises(lf.ProcessorFailed, match=r"Tally.total of 'a': expected an int of 64 bits"):
                await store.append("Thing-a", counted(1, 1))
            assert (await store.append("Thing-a", counted(1, 0))).version == 2
        assert_exact(looking)

    asyncio.run(check())


def test_events_that_are_not_anybodys_cost_no_row(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect() as store:
            await store.append("Thing-a", [lf.RawEvent("unknown", "{}")])
            await store.append("Nothing-a", [lf.RawEvent("unknown", "{}"), lf.NewEvent(Counted(3))])
        assert stored(looking, Tally) == {}
        assert stored(looking, Share) == {3: Share(3, 1, 3)}
        assert looking.projector(ALL).catch_up() == [lf.results.CaughtUp(one.name, 0, looking.head()) for one in ALL]

    asyncio.run(check())
