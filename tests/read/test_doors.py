"""The async door: the same engine, awaited; and the two doors have the same names, arguments and meanings."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from decimal import Decimal

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.projector import Projector
from leftfold.front.view import PastView, View
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.view import AsyncPastView, AsyncView
from tests.processes import run
from tests.read.bank import (
    Balance,
    Deposited,
    DyingDatabase,
    Opened,
    balances,
    checkpoints,
    fill,
    folded,
    stored,
    stream,
)

DOORS = [(Projector, AsyncProjector), (View, AsyncView), (PastView, AsyncPastView)]


@pytest.mark.parametrize(("blocking", "awaited"), DOORS)
def test_both_doors_have_the_same_methods_with_the_same_arguments(blocking: type, awaited: type) -> None:
    names = {name for name, member in vars(awaited).items() if inspect.isfunction(member) and not name.startswith("_")}
    assert names == {name for name, member in vars(blocking).items() if inspect.isfunction(member) and name[0] != "_"}
    for name in {"__init__", *names}:
        one, other = (str(inspect.signature(getattr(cls, name))) for cls in (blocking, awaited))
        assert one == other.replace("Async", ""), name
        needs_no_waiting = name == "__init__" or "AsyncIterator" in other or name in ("close", "stop")
        assert needs_no_waiting or inspect.iscoroutinefunction(getattr(awaited, name)), name


def test_async_projectors_and_views_do_the_same(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 100)
        expected = folded(store)

    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            projectors = [AsyncProjector(store._log, [balances], page_events=9) for _ in range(3)]
            await asyncio.gather(*(projector.catch_up() for projector in projectors))
            view = AsyncView(store._log.database, Balance)
            rows = await view.find(order_by=Balance.c.account_id)
            assert {row.account_id: row for row in rows} == expected
            assert await view.count() == len(expected)
            assert await view.get(rows[0].account_id) == rows[0]
            await projectors[0].reset("balances")
            assert await view.count() == 0
            [done] = await projectors[1].catch_up()
            assert done.position == await store.head()
            assert await view.find() == rows

    asyncio.run(run())


def test_a_cancelled_run_leaves_nothing_half_done(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 100)

    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            projector = AsyncProjector(store._log, [balances], page_events=3)
            for milliseconds in range(0, 30, 3):
                task = asyncio.create_task(projector.catch_up())
                await asyncio.wait([task], timeout=milliseconds / 1000)
                task.cancel()
                await asyncio.wait([task])
            await projector.catch_up()

    asyncio.run(run())
    with lf.connect(store_url) as store:
        assert stored(store) == folded(store)


class KillingDatabase(DyingDatabase):
    """Dies for real."""

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def project_and_die(url: str, lives: int) -> None:
    """What the killed process runs."""
    with lf.connect(url) as store:
        store._log.database = KillingDatabase(store._log.database, lives, after_commit=False)
        Projector(store._log, [balances], page_events=10).catch_up()


def test_a_process_killed_with_its_page_written_and_not_committed_loses_and_doubles_nothing(store_url: str) -> None:
    with lf.connect(store_url) as store:
        for number in range(60):
            account = stream(f"acc-{number % 4}")
            store.append(account, [Deposited(amount=Decimal(1))] if number >= 4 else [Opened(owner=f"{number}")])
        positions = []
        for lives in (2, 3):
            ended = run(project_and_die, store_url, lives)
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            positions.append(checkpoints(store)[0][2])
        assert positions == [0, 20], "the first died in its first page, the second in its third"
        Projector(store._log, [balances]).catch_up()
        assert stored(store) == folded(store)


def test_a_projector_in_memory_needs_but_one_connection() -> None:
    with lf.connect("sqlite://") as store:
        fill(store, 60)
        Projector(store._log, [balances], page_events=7).catch_up()
        assert stored(store) == folded(store)
        assert step(AsyncView(store._log.database, Balance).count()) == len(folded(store))
