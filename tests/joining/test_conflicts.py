"""Transactions that collide: the collision has a name, nothing is stored twice, and what can go on goes on."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, counted, registry
from tests.joining.kinds import conninfo, path
from tests.joining.waiting import until


@pytest.fixture
def store(postgres_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(postgres_url, registry=registry) as store:
        yield store


def waiting_backends(store: lf.EventStore) -> int:
    with store.transaction() as tx:
        [(count,)] = tx.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'virtualxid'")
    return int(count)


def test_of_two_transactions_in_a_deadlock_one_is_told_and_the_other_commits(
    store: lf.EventStore, postgres_url: str
) -> None:
    both_hold = threading.Barrier(2)

    def append(first: str, second: str) -> str:
        with psycopg.connect(conninfo(postgres_url)) as connection:
            tx = store.using(connection)
            tx.append(first, [Counted(1)])
            both_hold.wait(10)
            try:
                tx.append(second, [Counted(2)])
            except lf.TransactionConflict as conflict:
                connection.rollback()
                return str(conflict)
        return "committed"

    with ThreadPoolExecutor(2) as threads:
        outcomes = [threads.submit(append, *streams) for streams in (("T-a", "T-b"), ("T-b", "T-a"))]
        told = sorted(outcome.result(30) for outcome in outcomes)
    assert told[0] == "committed"
    assert "deadlock detected" in told[1]
    assert len(list(store.read_all())) == 2


@pytest.mark.exhaustive
def test_a_deadlock_with_an_append_of_the_store_never_reaches_the_store(
    store: lf.EventStore, postgres_url: str
) -> None:
    """A user's transaction locks streams in an order of its own. Whoever PostgreSQL chooses, both get through."""
    with ThreadPoolExecutor(1) as threads, psycopg.connect(conninfo(postgres_url)) as connection:

        def entangle(names: list[str]) -> None:
            tx = store.using(connection)
            tx.append(names[-1], [Counted(1)])
            together = threads.submit(store.append_all, [lf.Write(name, [Counted(2)]) for name in names])
            until(lambda: waiting_backends(store) > 0)
            try:
                for name in names:
                    tx.append(name, [Counted(3)])
                connection.commit()
            except lf.TransactionConflict:
                connection.rollback()
            assert len(together.result(60)) == 40

        for turn in range(4):
            entangle([f"Thing-{turn}x{number}" for number in range(40)])


def test_the_same_event_id_at_the_same_moment_in_two_streams_is_judged_and_the_transaction_goes_on(
    store: lf.EventStore, postgres_url: str
) -> None:
    [event] = counted(1)
    with (
        psycopg.connect(conninfo(postgres_url)) as connection,
        ThreadPoolExecutor(1) as threads,
        psycopg.connect(conninfo(postgres_url)) as other,
    ):
        store.using(other).append("Thing-a", [event])
        tx = store.using(connection)
        tx.append("Thing-c", [Counted(7)])
        late = threads.submit(tx.append, "Thing-b", [event])
        until(lambda: waiting_backends(store) > 0)
        other.commit()
        with pytest.raises(lf.DuplicateEvent):
            late.result(10)
        tx.append("Thing-b", [Counted(8)])
        connection.commit()
    assert [(one.stream, one.event.number) for one in store.read_all()] == [
        ("Thing-a", 1),
        ("Thing-c", 7),
        ("Thing-b", 8),
    ]


def test_an_event_that_the_server_refuses_leaves_the_transaction_alone(store: lf.EventStore, postgres_url: str) -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    with psycopg.connect(conninfo(postgres_url)) as connection:
        tx = store.using(connection)
        with pytest.raises(lf.InvalidEvent):
            tx.append("Thing-a", [lf.RawEvent("deep", deep)])
        tx.append("Thing-a", [Counted(1)])
    assert len(list(store.read("Thing-a"))) == 1


@pytest.mark.parametrize("write", [lambda tx: tx.append("Thing-a", [Counted(2)]), lambda tx: tx.append("Thing-a", [])])
def test_an_sqlite_transaction_that_began_by_reading_is_told_that_it_came_too_late(
    sqlite_url: str, write: Callable[[lf.Transaction], Any]
) -> None:
    with (
        lf.connect(sqlite_url, registry=registry) as store,
        closing(sqlite3.connect(path(sqlite_url), isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN")
        tx = store.using(connection)
        assert list(tx.read("Thing-a")) == []
        store.append("Thing-a", [Counted(1)])
        with pytest.raises(lf.TransactionConflict, match="BEGIN IMMEDIATE"):
            write(tx)
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        write(tx)
        connection.execute("COMMIT")
        assert next(iter(store.read("Thing-a"))).event.number == 1


def test_an_sqlite_transaction_that_only_waits_is_told_when_it_has_waited_long_enough(sqlite_url: str) -> None:
    with (
        lf.connect(sqlite_url, registry=registry) as store,
        closing(sqlite3.connect(path(sqlite_url), timeout=0.05)) as connection,
        store.transaction() as tx,
    ):
        tx.append("Thing-a", [Counted(1)])
        with pytest.raises(lf.StoreUnavailable, match="is locked"):
            store.using(connection).append("Thing-a", [Counted(2)])


def test_a_failed_append_leaves_nothing_of_itself_in_an_sqlite_transaction(sqlite_url: str) -> None:
    """The disk is full in the middle: what was inserted of this append is undone, and the transaction goes on."""
    with (
        lf.connect(sqlite_url, registry=registry) as store,
        closing(sqlite3.connect(path(sqlite_url))) as connection,
    ):
        [(pages,)] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")
        tx = store.using(connection)
        tx.append("Thing-a", [Counted(1)])
        with pytest.raises(lf.StoreUnavailable, match="disk is full"):
            tx.append("Thing-b", [lf.RawEvent("large", b'"' + b"x" * 3_000 + b'"') for _ in range(60)])
        tx.append("Thing-a", [Counted(2)])
        connection.commit()
        assert [(one.stream, one.event.number) for one in store.read_all()] == [("Thing-a", 1), ("Thing-a", 2)]


def test_a_connection_that_is_lost_takes_the_whole_transaction_with_it(store: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url)) as connection:
        tx = store.using(connection)
        tx.append("Thing-a", [Counted(1)])
        with store.transaction() as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(lf.StoreUnavailable, match="run the transaction again"):
            tx.append("Thing-a", [Counted(2)])
        with pytest.raises(lf.InvalidState, match="closed"):
            tx.append("Thing-a", [Counted(2)])
    assert list(store.read("Thing-a")) == []


def test_a_connection_of_the_store_that_is_lost_takes_its_transaction_with_it(
    store: lf.EventStore, postgres_url: str
) -> None:
    def work() -> None:
        with store.transaction() as tx:
            tx.append("Thing-a", [Counted(1)])
            [(pid,)] = tx.execute("SELECT pg_backend_pid()")
            with psycopg.connect(conninfo(postgres_url)) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", (pid,))
            tx.append("Thing-a", [Counted(2)])

    with pytest.raises(lf.StoreUnavailable, match="run the transaction again"):
        work()
    assert store.append("Thing-a", [Counted(1)], expected=lf.NO_STREAM).version == 1
