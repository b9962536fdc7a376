"""A transaction that has appended and does not end is named, with its process and what to do about it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import psycopg
import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.ops.doctor.diagnosis import diagnose
from leftfold.ops.doctor.holders import Holder, holders, judge_holders
from leftfold.testing.conformance.facts import Counted, registry
from leftfold.testing.postgres import ThrowawayPostgres
from tests.joining.kinds import conninfo, path


def test_the_process_of_an_open_transaction_that_has_appended_is_told(postgres_url: str) -> None:
    with (
        lf.connect(postgres_url, registry=registry) as store,
        psycopg.connect(conninfo(postgres_url), application_name="till 7") as connection,
        psycopg.connect(conninfo(postgres_url)) as bystander,
    ):
        bystander.execute("CREATE TEMPORARY TABLE busy AS SELECT 1")
        assert step(holders(store._log)) == []
        store.using(connection).append("Thing-a", [Counted(1)])
        store.using(connection).append("Thing-b", [Counted(1)])
        [holder] = step(holders(store._log))
        assert (holder.pid, holder.gid) == (connection.info.backend_pid, None)
        assert (holder.application, holder.state) == ("till 7", "idle in transaction")
        assert holder.seconds is not None
        assert 0 <= holder.seconds < 60
        connection.rollback()
        assert step(holders(store._log)) == []


def test_the_doctor_names_it(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leftfold.ops.doctor.holders.SUSPICIOUS_SECONDS", 0.0)
    with lf.connect(postgres_url, registry=registry) as store, psycopg.connect(conninfo(postgres_url)) as connection:
        before = {finding.subject: finding for finding in asyncio.run(diagnose(postgres_url, blocking=False))}
        assert before["followers"].level == "fine"
        store.using(connection).append("Thing-a", [Counted(1)])
        after = {finding.subject: finding for finding in step(diagnose(postgres_url))}
        assert after["followers"].level == "warning"
        assert f"held back: process {connection.info.backend_pid} (" in after["followers"].text
        assert f"pg_terminate_backend({connection.info.backend_pid})" in after["followers"].remedy


def test_on_sqlite_nobody_is_held_back(sqlite_url: str) -> None:
    with lf.connect(sqlite_url, registry=registry) as store, closing(sqlite3.connect(path(sqlite_url))) as connection:
        store.using(connection).append("Thing-a", [Counted(1)])
        [finding] = [one for one in step(diagnose(sqlite_url)) if one.subject == "followers"]
        assert finding.level == "fine"


def test_an_append_that_is_under_way_is_no_finding_and_a_transaction_that_lasts_is_one() -> None:
    young = Holder(7, None, 0.01, "ann", "app", "active")
    old = Holder(8, None, 125.4, "bob", "", "idle in transaction")
    hidden = Holder(9, None, None, None, None, None)
    assert [finding.level for finding in judge_holders([young])] == ["fine"]
    texts = [finding.text for finding in judge_holders([hidden, old, young])]
    assert texts == [
        "held back: process 9 has appended in a transaction that is open since an unknown time",
        "held back: process 8 (bob, idle in transaction) has appended in a transaction that is open for 125 s",
    ]


def test_a_prepared_transaction_has_no_process_and_is_told_by_its_name() -> None:
    with ThrowawayPostgres(max_prepared_transactions=2) as server:
        url = server.create_database()
        with lf.connect(url, registry=registry) as store, psycopg.connect(url) as connection:
            connection.tpc_begin("forgotten")
            store.using(connection).append("Thing-a", [Counted(1)])
            connection.tpc_prepare()
            store.append("Thing-b", [Counted(2)])
            assert list(store.read_all()) == []
            [holder] = step(holders(store._log))
            assert (holder.pid, holder.gid) == (None, "forgotten")
            assert holder.remedy == "COMMIT PREPARED or ROLLBACK PREPARED 'forgotten'"
            connection.tpc_commit()
            assert [one.event.number for one in store.read_all()] == [1, 2]
