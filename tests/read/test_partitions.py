"""Partitions over real stores: no fence ever comes again for a bucket, however ranges are claimed, split and merged."""

from __future__ import annotations

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import psycopg

import leftfold as lf
from leftfold.database.protocol import Connection
from leftfold.doors.step import step
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions


def test_no_fence_comes_again_for_a_bucket(store_url: str) -> None:
    with lf.connect(store_url) as store:
        database = store._log.database
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


def test_a_lock_is_on_those_too_that_a_split_makes_while_it_is_waited_for(postgres_url: str) -> None:
    """Else a second split, in the middle of a swap, would make one whose fence the swap does not raise."""
    with lf.connect(postgres_url) as store:
        database = store._log.database
        partitions = Partitions(database)
        splitting, locked, over = Event(), Event(), Event()

        async def split() -> None:
            async with database.transaction() as connection:
                [whole] = await partitions.load(connection, "p", 1)
                await partitions.split(connection, whole)
                splitting.set()
                while not await waited_for(connection):
                    await database.sleep(0.01)

        async def lock() -> None:
            async with database.transaction() as connection:
                await partitions.lock(connection, "p")
                locked.set()
                assert over.wait(30)

        async def begin() -> None:
            async with database.connection() as connection:
                await partitions.begin(connection, "p", 1)

        step(begin())
        with ThreadPoolExecutor() as threads:
            done = [threads.submit(step, split())]
            assert splitting.wait(30)
            done.append(threads.submit(step, lock()))
            try:
                assert locked.wait(30)
                with psycopg.connect(database.conninfo) as connection:  # type: ignore[attr-defined]
                    free = connection.execute(
                        f"SELECT first FROM {database.table('partitions')} FOR UPDATE SKIP LOCKED"
                    )
                    assert free.fetchall() == []
            finally:
                over.set()
            for one in done:
                one.result()


async def waited_for(connection: Connection) -> bool:
    """Whether somebody waits for a lock of this one's. (A transaction sees no newcomers in pg_stat_activity.)"""
    sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    [(count,)] = await connection.execute(sql)
    return bool(count)
