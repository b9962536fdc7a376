"""The applier answers "was I overtaken?": by asking the database, whatever a page has come to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.follow.processor import Owns, PageHandler
from leftfold.follow.run.applier import Applied, Applier, Overtaken
from leftfold.follow.run.run import ProcessorRun
from leftfold.read.apply.live import LiveRows
from tests.read.bank import balances, fill, folded, stored


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        fill(store, 20)
        yield store


def an_applier(store: lf.EventStore) -> Applier:
    """Of the whole projection, behind a look at the head."""

    async def make() -> Applier:
        database = store._log.database
        run = ProcessorRun(store._log, database, LiveRows(store._log, database, balances, 100), page_events=100)
        live = await run.ready()
        [whole] = await run.load(live)
        applier = run.applier(live, whole)
        assert await applier.look()
        return applier

    return step(make())


def raise_fences(store: lf.EventStore) -> None:
    async def raise_them() -> None:
        async with store._log.database.transaction() as connection:
            await Partitions(store._log.database).fence(connection, "balances", 1)

    step(raise_them())


def test_a_page_is_applied(store: lf.EventStore) -> None:
    applier = an_applier(store)
    done = step(applier.page())
    assert isinstance(done, Applied)
    assert (done.events, done.failure, applier.position) == (20, None, store.head())
    assert stored(store) == folded(store)


def test_a_raised_fence_overtakes_and_nothing_is_written(store: lf.EventStore) -> None:
    applier = an_applier(store)
    raise_fences(store)
    done = step(applier.page())
    assert isinstance(done, Overtaken)
    assert done.now is not None
    assert (done.now.position, done.now.fence) == (0, applier.partition.fence + 1)
    assert stored(store) == {}
    applier.stand_at(done.now)
    assert step(applier.look())
    assert isinstance(step(applier.page()), Applied)
    assert stored(store) == folded(store)


def test_an_error_is_raised_only_if_the_partition_was_not_overtaken(
    store: lf.EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler(self: LiveRows, generation: object, owns: Owns) -> PageHandler:
        return Broken()

    monkeypatch.setattr(LiveRows, "handler", handler)
    applier = an_applier(store)
    with pytest.raises(LookupError, match="no such table"):
        step(applier.page())
    raise_fences(store)
    assert isinstance(step(applier.page()), Overtaken)


class Broken:
    """A handler whose table is gone."""

    async def prepare(self, events: object) -> object:
        raise LookupError("no such table")

    async def write(self, connection: object, change: object) -> None:
        raise AssertionError("nothing was prepared")

    def committed(self, change: object) -> None:
        raise AssertionError("nothing was prepared")

    def forget(self) -> None:
        return
