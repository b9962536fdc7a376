"""Read models in another database than the log: rows and checkpoint together there, each event once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.log.epochs import begin_epoch
from leftfold.testing.postgres import Postgres
from tests.read.bank import Balance, DyingDatabase, Killed, balances, fill, folded, run_sql
from tests.read.test_restored import lose_events


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> str:
    return f"sqlite:///{tmp_path}/read.db" if request.param == "sqlite" else postgres.create_database()


@pytest.fixture
def store(store_url: str, elsewhere: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, read_models=elsewhere) as store:
        yield store


def rows(store: lf.EventStore) -> dict[str, Balance]:
    return {row.account_id: row for row in store.view(Balance).find()}


def test_rows_are_there_and_not_beside_the_log(store: lf.EventStore) -> None:
    fill(store, 60)
    store.projector([balances]).catch_up()
    assert rows(store) == folded(store) != {}
    with pytest.raises(lf.errors.ProcessorOutdated, match="no table"):
        lf.View(store._log.database, Balance).find()
    fill_more = store.append("ReadAccount-new", [lf.RawEvent("read.opened", b'{"owner":"new"}')])
    store.projector([balances]).catch_up()
    store.view(Balance).wait_for(fill_more.position)
    assert rows(store) == folded(store)


def test_through_the_async_door_too(store: lf.EventStore, store_url: str, elsewhere: str) -> None:
    fill(store, 30)

    async def run() -> dict[str, Balance]:
        async with lf.connect_async(store_url, read_models=elsewhere) as other:
            await other.projector([balances]).catch_up()
            return {row.account_id: row for row in await other.view(Balance).find()}

    assert asyncio.run(run()) == folded(store) != {}


@pytest.mark.parametrize("after_commit", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_killed_between_any_two_pages_it_is_exact(store: lf.EventStore, after_commit: bool) -> None:
    fill(store, 40)
    there = store._read_models
    lives, killed = 1, True
    while killed:
        lives += 1
        lf.types.Projector(store._log, [balances], database=there).reset("balances")
        dying: Any = DyingDatabase(there, lives, after_commit=after_commit)
        try:
            lf.types.Projector(store._log, [balances], database=dying, page_events=7).catch_up()
            killed = False
        except Killed:
            pass
        lf.types.Projector(store._log, [balances], database=there, page_events=7).catch_up()
        assert rows(store) == folded(store)
    assert lives > 4


def test_another_log_under_the_same_rows_is_noticed(store: lf.EventStore) -> None:
    fill(store, 40)
    store.projector([balances]).catch_up()
    step(begin_epoch(store._log.database, "a copy that lives on by itself", new_store=True))
    with pytest.raises(lf.EpochChanged):
        store.projector([balances]).catch_up()


def test_a_lost_tail_is_noticed(store: lf.EventStore) -> None:
    fill(store, 40)
    store.projector([balances]).catch_up()
    lose_events(store, store.head() - 5)
    projector = store.projector([balances])
    with pytest.raises(lf.EpochChanged):
        projector.catch_up()
    projector.reset("balances")
    projector.catch_up()
    assert rows(store) == folded(store)


def test_the_logs_own_database_is_refused(store_url: str) -> None:
    with pytest.raises(lf.InvalidArgument, match="another database than the log's"):
        lf.connect(store_url, read_models=store_url)


def test_the_checkpoint_names_the_log(store: lf.EventStore) -> None:
    fill(store, 10)
    store.projector([balances]).catch_up()
    table = store._read_models.table("partitions")
    assert run_sql(store._read_models, f"SELECT store FROM {table}") == [(str(store.checkpoint().store),)]
