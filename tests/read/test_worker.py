"""Workers over real stores: they share the work, take over from the dead, and stop when they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.database.stepping import step
from leftfold.read import Projection, Projector
from leftfold.read.partition import Partition
from leftfold.read.partitions import Partitions
from tests.read.bank import Deposited, Opened, balances, fill, folded, stored, stream

LEASE = 0.6


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


@contextmanager
def running(url: str, *projections: Projection[Any]) -> Iterator[Projector]:
    """A worker in a thread, with a store of its own."""
    with lf.connect(url) as store:
        projector = Projector(store.log, projections or [balances], lease_seconds=LEASE)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                projector.run()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield projector
        finally:
            projector.stop()
            thread.join(20)
        assert not thread.is_alive(), "stopping takes too long"
        assert failures == []


def eventually(holds: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def parts(store: lf.EventStore, name: str = "balances") -> list[Partition]:
    async def load() -> list[Partition]:
        async with store.log.database.connection() as connection:
            return [one for one in await Partitions(store.log.database).all(connection) if one.name == name]

    return step(load())


def applied(store: lf.EventStore, name: str = "balances") -> int:
    return min((one.position for one in parts(store, name)), default=-1)


def test_a_worker_applies_what_is_there_and_what_comes(store: lf.EventStore, store_url: str) -> None:
    fill(store, 60)
    with running(store_url):
        eventually(lambda: applied(store) == store.head(), "it catches up")
        assert stored(store) == folded(store)
        store.append(stream("new"), [Opened(owner="New")])
        eventually(lambda: applied(store) == store.head(), "it follows")
        assert stored(store) == folded(store)
        assert [one.owner is not None for one in parts(store)] == [True]
    assert [one.owner for one in parts(store)] == [None], "what it held is free at once"


def test_two_workers_share_the_keys_and_one_takes_over_when_the_other_ends(
    store: lf.EventStore, store_url: str
) -> None:
    fill(store, 80, accounts=20)
    with running(store_url):
        with running(store_url):
            eventually(lambda: len({one.owner for one in parts(store) if one.leased}) == 2, "each has a part")
            assert [(one.first, one.last) for one in parts(store)] == [(0, 31), (32, 63)]
            for number in range(40):
                store.append(stream(f"shared-{number}"), [Opened(owner="x"), Deposited(amount=Decimal(number))])
            eventually(lambda: applied(store) == store.head(), "both follow")
            assert stored(store) == folded(store)
        eventually(lambda: [one.is_whole for one in parts(store)] == [True], "the parts are one again")
        store.append(stream("after"), [Opened(owner="x")])
        eventually(lambda: applied(store) == store.head(), "the one that is left follows")
    assert stored(store) == folded(store)
