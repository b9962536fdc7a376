"""Partitions over real stores: no fence ever comes again for a bucket, however ranges are claimed, split and merged."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import leftfold as lf
from leftfold.database.stepping import step
from leftfold.read.partition import Partition
from leftfold.read.partitions import Partitions


def test_no_fence_comes_again_for_a_bucket(store_url: str) -> None:
    with lf.connect(store_url) as store:
        database = store.log.database
        partitions = Partitions(database)
        rng = random.Random(1)
        seen: dict[int, list[int]] = defaultdict(list)

        async def change() -> list[Partition]:
            async with database.transaction() as connection:
                found = await partitions.load(connection, "p", 1)
                match rng.choice(("claim", "split", "merge", "fence", "begin") if found else ("begin",)):
                    case "claim":
                        await partitions.claim(connection, rng.choice(found), "me", 10)
                    case "split" if any(wide := [one for one in found if one.first < one.last]):
                        await partitions.split(connection, rng.choice(wide))
                    case "merge" if len(found) > 1:
                        at = rng.randrange(1, len(found))
                        await partitions.merge(connection, found[at - 1], found[at])
                    case "fence":
                        await partitions.fence(connection, "p", 1)
                    case "begin" if not found or rng.random() < 0.3:
                        await partitions.forget(connection, "p", 1)
                        await partitions.begin(connection, "p", 1, parts=2)
                return list(await partitions.load(connection, "p", 1))

        before: dict[Any, int] = {}
        for _ in range(300):
            now = {one.place: one.fence for one in step(change())}
            for place, fence in now.items():
                if before.get(place) != fence:
                    for bucket in range(place[2], place[3] + 1):
                        assert fence > max(seen[bucket], default=-1)
                        seen[bucket].append(fence)
            before = now
        assert len(seen[0]) > 50
