"""Followers: subscribers that write down what they see, are killed or close, and go on from what they wrote down."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import leftfold as lf
from leftfold.testing.trial.record.facts import as_query
from leftfold.testing.trial.record.history import Journal, lines
from leftfold.testing.trial.record.records import Glimpse, Query, sight

_LOOKING_SECONDS = 0.02
_SHORTEST_LIFE, _LONGEST_LIFE = 20, 2_000


class FollowerLoop:
    """One follower in one process. It begins where the file says that its predecessor ended."""

    def __init__(self, name: str, query: Query, directory: Path, chance: random.Random) -> None:
        path = directory / f"follower-{name}.jsonl"
        self._journal = Journal(path)
        self.position, self._mark = _reached(path)
        self._query = as_query(query)
        self._chance = chance
        self._until: int | None = None
        self._subscription: lf.types.Subscription | lf.types.AsyncSubscription | None = None

    def end_at(self, position: int) -> None:
        """Follow as far as that, and no further."""
        self._until = position

    @property
    def is_over(self) -> bool:
        return self._until is not None and self.position >= self._until

    async def live(self, store: lf.EventStore | lf.AsyncEventStore) -> None:
        """Subscribe, close after a number of events from the seed, subscribe again; until the end."""
        watching = asyncio.create_task(self._watch())
        try:
            if isinstance(store, lf.EventStore):
                await asyncio.to_thread(self._follow_blocking, store)
            else:
                await self._follow(store)
        finally:
            watching.cancel()

    async def _follow(self, store: lf.AsyncEventStore) -> None:
        while not self.is_over:
            left = self._begin()
            async with store.subscribe(self._query, after=self._after) as subscription:
                self._subscription = subscription
                async for recorded in subscription:
                    left -= 1
                    if not self._see(recorded, left):
                        break
            self._end(subscription.position, subscription.checkpoint)

    def _follow_blocking(self, store: lf.EventStore) -> None:
        while not self.is_over:
            left = self._begin()
            with store.subscribe(self._query, after=self._after) as subscription:
                self._subscription = subscription
                for recorded in subscription:
                    left -= 1
                    if not self._see(recorded, left):
                        break
            self._end(subscription.position, subscription.checkpoint)

    @property
    def _after(self) -> int | lf.Checkpoint:
        """Where to go on: at a checkpoint, which is verified, or at the mere position that is known after a kill."""
        return self.position if self._mark is None else lf.Checkpoint.parse(self._mark)

    def _begin(self) -> int:
        self._journal.write(Glimpse(time.monotonic_ns(), began=self.position))
        return self._chance.randint(_SHORTEST_LIFE, _LONGEST_LIFE)

    def _see(self, recorded: lf.RecordedEvent, left: int) -> bool:
        """Write it down; whether to go on."""
        self._journal.write(Glimpse(time.monotonic_ns(), saw=(sight(recorded),)))
        return left > 0

    def _end(self, position: int, checkpoint: lf.Checkpoint | None) -> None:
        self.position = position
        self._mark = str(checkpoint) if checkpoint is not None and checkpoint.position == position else None
        self._journal.write(Glimpse(time.monotonic_ns(), reached=position, mark=self._mark))

    async def _watch(self) -> None:
        """Close the subscription once it has come to the end, even if nothing that it asks for stands there."""
        while True:
            await asyncio.sleep(_LOOKING_SECONDS)
            subscription = self._subscription
            if self._until is not None and subscription is not None and subscription.position >= self._until:
                subscription.close()


def _reached(path: Path) -> tuple[int, str | None]:
    """Where a follower has come to; what it saw and had no time to write down, it shall see again."""
    position, mark = 0, None
    for glimpse in lines(path, Glimpse):
        if glimpse.reached is not None:
            position, mark = glimpse.reached, glimpse.mark
        if glimpse.saw:
            position, mark = glimpse.saw[-1][0], None
    return position, mark
