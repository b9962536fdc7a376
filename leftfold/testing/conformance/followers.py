"""What a subscription promises: everything, once, in order; where it was left; and a prompt end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

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
    async def test_a_checkpoint_kept_as_text_resumes_exactly(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(10))
            async with store.follow() as first:
                assert first.checkpoint is None
                head = [await first.next() for _ in range(4)]
                kept = str(first.checkpoint)
            checkpoint = lf.Checkpoint.parse(kept)
            assert (checkpoint.position, checkpoint.event_id) == (head[-1].position, head[-1].id)
            async with store.follow(after=checkpoint) as second:
                assert second.checkpoint == checkpoint
                assert [*head, *[await second.next() for _ in range(6)]] == await store.read_all()

    @scenario
    async def test_a_checkpoint_of_the_head_is_followed_by_what_comes(self, connect: Connect) -> None:
        async with connect() as store:
            empty = await store.checkpoint()
            assert (empty.position, empty.event_id) == (0, None)
            await store.append("Thing-a", counted(3))
            head = await store.checkpoint()
            assert head == replace(empty, position=head.position, event_id=(await store.read_all())[-1].id)
            await store.append("Thing-a", counted(2, 4))
            async with store.follow(after=head) as follower:
                assert [(await follower.next()).event.number for _ in range(2)] == [4, 5]
            async with store.follow(after=empty) as follower:
                assert [(await follower.next()).event.number for _ in range(5)] == [1, 2, 3, 4, 5]

    @scenario
    async def test_a_checkpoint_of_another_history_stops_the_follower(self, connect: Connect) -> None:
        async with connect() as store:
            await store.append("Thing-a", counted(5))
            head = await store.checkpoint()
            for other, found in (
                (replace(head, event_id=uuid4()), f"where the log has event {head.event_id}"),
                (replace(head, position=head.position + 7), "where the log has no event"),
                (replace(head, store=uuid4()), f"and this is {head.store}"),
                (replace(head, epoch=head.epoch + 1), "which this log does not know"),
            ):
                async with store.follow(after=other) as follower:
                    with pytest.raises(lf.EpochChanged, match=found) as stopped:
                        await follower.next()
                    assert (stopped.value.checkpoint, stopped.value.proven) == (other, None)
                    with pytest.raises(StopAsyncIteration):
                        await follower.next()

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
