"""The doctor on a store's history: who it is, where an epoch began, what does not stand on the log, and its repair."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.projector import Projector
from leftfold.log.epochs import begin_epoch, epochs_of
from tests.ops.test_cli import refused, shown
from tests.processes import leftfold
from tests.read.bank import balances, checkpoints, fill, folded, run_sql, stored
from tests.read.test_restored import lose_events, position_of


def test_the_doctor_tells_who_the_store_is(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 5)
        Projector(store._log, [balances]).catch_up()
        identity = store.checkpoint().store
    said = shown("doctor", store_url)
    assert f"store {identity}, in epoch 1" in said
    assert "1 stands on events of this log" in said


def test_every_store_is_another(tmp_path: Path) -> None:
    identities = set()
    for number in range(3):
        with lf.connect(f"sqlite:///{tmp_path}/{number}.db") as store:
            identities.add(store.checkpoint().store)
    assert len(identities) == 3


def test_a_new_epoch_stops_who_followed_what_was_lost_and_tells_from_where_to_go_on(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 20)
        beyond, keep = store.checkpoint(), position_of(store, 10)
        lose_events(store, keep)
        before = store.checkpoint()
    said = shown("doctor", store_url, "--new-epoch", "--reason", "restored the backup of Monday")
    assert "epoch 2 of store" in said
    assert f"behind position {keep:,}: restored the backup of Monday" in said
    with lf.connect(store_url) as store:
        fill(store, 20, seed=2)
        with pytest.raises(lf.EpochChanged, match="restored the backup of Monday") as stopped:
            next(store.subscribe(after=beyond))
        proven = stopped.value.proven
        assert proven is not None
        assert (proven.epoch, proven.position, proven.event_id) == (2, keep, before.event_id)
        written = list(store.read_all(after=keep))
        for after in (proven, before):
            with store.subscribe(after=after) as subscription:
                assert [next(subscription) for _ in written] == written
                assert subscription.checkpoint == store.checkpoint()


def test_a_checkpoint_from_elsewhere_is_judged(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 20)
        beyond = store.checkpoint()
        lose_events(store, position_of(store, 10))
        good = store.checkpoint()
        step(begin_epoch(store._log.database, "restored", new_store=False))
    assert "a follower may go on" in shown("doctor", store_url, "--checkpoint", str(good))
    ran = leftfold("doctor", store_url, "--checkpoint", str(beyond))
    assert ran.returncode == 1
    said = " ".join(ran.stdout.split())
    assert "which ended at position" in said
    assert f"{good.store}/2/{good.position}" in said
    assert "is no checkpoint" in refused("doctor", store_url, "--checkpoint", "17")


def test_a_copy_that_lives_on_is_another_store(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 20)
        Projector(store._log, [balances]).catch_up()
        theirs = store.checkpoint()
    shown("doctor", store_url, "--new-identity", "--reason", "a copy for the auditors")
    with lf.connect(store_url) as store:
        assert store.checkpoint().store != theirs.store
        with pytest.raises(lf.EpochChanged, match="a copy for the auditors") as stopped:
            next(store.subscribe(after=theirs))
        assert stopped.value.proven == store.checkpoint(), "up to the copy it is the same history"
        fill(store, 5, seed=3)
        Projector(store._log, [balances]).catch_up()
        assert stored(store) == folded(store)


def test_a_running_follower_is_told_of_a_new_epoch_by_nothing_but_what_it_lost(store_url: str) -> None:
    with lf.connect(store_url) as store, store.subscribe() as subscription:
        fill(store, 5)
        for _ in store.read_all():
            next(subscription)
        step(begin_epoch(store._log.database, "the other server took over", new_store=False))
        store.append("Thing-a", [lf.RawEvent("thing.made", b"{}")])
        assert next(subscription).type == "thing.made"
        assert subscription.checkpoint is not None
        assert subscription.checkpoint.epoch == 2
        step(begin_epoch(store._log.database, "another store", new_store=True))
        with pytest.raises(lf.EpochChanged, match="another store"):
            next(subscription)


def test_what_must_be_rebuilt_is_said_and_then_done(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 30)
        Projector(store._log, [balances]).catch_up()
        lose_events(store, position_of(store, 20))
        marks = checkpoints(store)
    ran = leftfold("doctor", store_url)
    assert ran.returncode == 1
    assert "projection 'balances' (version 1) stands on event" in ran.stdout
    planned = leftfold("doctor", store_url, "--repair").stdout
    assert "to do: have the rows of projection 'balances' (version 1) rebuilt" in planned
    assert "--yes does it" in planned
    with lf.connect(store_url) as store, pytest.raises(lf.EpochChanged):
        Projector(store._log, [balances]).catch_up()
    said = shown("doctor", store_url, "--repair", "--yes")
    assert "done: have the rows of" in said
    assert "is to be rebuilt" in said
    assert "nothing to repair" in shown("doctor", store_url, "--repair")
    with lf.connect(store_url) as store:
        assert checkpoints(store) == marks
        Projector(store._log, [balances]).catch_up()
        assert stored(store) == folded(store)
    assert "stands on events of this log" in shown("doctor", store_url)


def test_a_sequence_behind_the_last_event_is_moved(postgres_url: str) -> None:
    with lf.connect(postgres_url) as store:
        fill(store, 10)
        run_sql(store._log.database, f"SELECT setval('{store._log.database.table('position')}', 2)")
    ran = leftfold("doctor", postgres_url)
    assert ran.returncode == 1
    assert "the sequence stands at 2" in ran.stdout
    assert "done: move the sequence" in shown("doctor", postgres_url, "--repair", "--yes")
    with lf.connect(postgres_url) as store:
        last = list(store.read_all())[-1].position
        assert store.append("Thing-a", [lf.RawEvent("thing.made", b"{}")]).position > last


def test_a_store_that_lost_its_identity_gets_another(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 5)
        run_sql(store._log.database, f"DELETE FROM {store._log.database.table('epochs')}")
        with pytest.raises(lf.InvalidState, match="--new-identity"):
            store.checkpoint()
    assert leftfold("doctor", store_url).returncode == 1
    assert "--new-identity" in refused("doctor", store_url, "--repair")
    assert "epoch 1 of store" in shown("doctor", store_url, "--new-identity", "--reason", "restored without its data")
    with lf.connect(store_url) as store:
        assert store.checkpoint().epoch == 1


def test_options_that_make_no_sense_are_refused(store_url: str) -> None:
    lf.connect(store_url).close()
    assert "say why with --reason" in refused("doctor", store_url, "--new-epoch")
    assert "leave --new-epoch out" in refused("doctor", store_url, "--new-epoch", "--new-identity", "--reason", "x")
    assert "--reason is for" in refused("doctor", store_url, "--reason", "x")
    assert "--yes is for --repair" in refused("doctor", store_url, "--yes")
    with lf.connect(store_url) as store:
        assert store.checkpoint().epoch == 1


def test_no_event_falls_between_two_epochs(postgres_url: str) -> None:
    """An append that is in flight is waited for, so whatever the old epoch wrote is at or below its end."""
    with lf.connect(postgres_url) as store:
        fill(store, 3)
        schema = store._log.database.schema
        with psycopg.connect(postgres_url.partition("?")[0]) as slow:
            slow.execute(f"INSERT INTO {schema}.events SELECT nextval('{schema}.position'), 'Slow-a', 1, "
                         "gen_random_uuid(), 'slow', 1, '{}', '{}', '{}', now(), now()".encode())  # fmt: skip
            begun = threading.Thread(target=lambda: step(begin_epoch(store._log.database, "why not", new_store=False)))
            begun.start()
            begun.join(0.3)
            assert begun.is_alive(), "it waits"
            slow.commit()
        begun.join(30)

        async def epochs() -> list[int]:
            async with store._log.database.connection() as connection:
                return [one.position for one in await epochs_of(connection, store._log.database)]

        assert step(epochs())[-1] == list(store.read_all())[-1].position
