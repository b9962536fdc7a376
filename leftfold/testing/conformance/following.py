"""What a subscription promises: everything, once, in order; where it was left; and a prompt end."""

from __future__ import annotations

import asyncio

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Connect, scenario
from leftfold.testing.conformance.facts import counted

PATIENCE = 60.0


class FollowChecks:
    """Run with a fixture ``connect``; see `LogConformance`."""

    @scenario
    async def test_a_follower_resumes_where_another_stopped(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(10))
            async with store.follow() as first:
                head = [await first.next() for _ in range(4)]
                position = first.position
            async with store.follow(after=position) as second:
                rest = [await second.next() for _ in range(6)]
            assert [*head, *rest] == await store.read_all()

    @scenario
    async def test_a_follower_of_a_query_passes_over_the_rest(self, connect: Connect) -> None:
        async with connect() as store, store.follow(lf.Query.of("rare")) as follower:
            await store.append("Thing-a", counted(700))
            await store.append("Thing-b", [lf.RawEvent("rare", b"1")])
            async with asyncio.timeout(PATIENCE):
                assert (await follower.next()).type == "rare"

    @scenario
    async def test_closing_ends_a_waiting_follower_promptly(self, connect: Connect) -> None:
        async with connect() as store, store.follow() as follower:
            waiting = asyncio.ensure_future(follower.next())
            await asyncio.wait([waiting], timeout=0.1)
            assert not waiting.done()
            follower.close()
            async with asyncio.timeout(1):
                with pytest.raises(StopAsyncIteration):
                    await waiting
