"""Tasks that are cancelled in the middle of a transaction leave a connection as others need it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry


async def append_in_transaction(store: lf.AsyncEventStore) -> None:
    async with store.transaction() as tx:
        await tx.append("Thing-a", counted(1))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_task_that_is_cancelled_while_it_waits_to_write_leaves_no_transaction_open(
    sqlite_url: str, times: int
) -> None:
    async def cancel() -> None:
        async with lf.connect_async(sqlite_url, registry=registry) as store:
            with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                task = asyncio.create_task(append_in_transaction(store))
                for _ in range(times):
                    await asyncio.wait([task], timeout=0.1)
                    task.cancel()
                other.execute("ROLLBACK")
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert (await store.append("Thing-a", counted(1))).version == 1
                other.execute("BEGIN IMMEDIATE")

    asyncio.run(cancel())


def test_tasks_that_are_cancelled_at_any_moment_leave_all_or_nothing(store_url: str) -> None:
    async def cancel() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            for turn in range(200):
                task = asyncio.create_task(append_in_transaction(store))
                for _ in range(turn % 40):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            result = await store.append("Thing-a", counted(1))
            assert [recorded.version async for recorded in store.read("Thing-a")] == list(range(1, result.version + 1))

    asyncio.run(cancel())
