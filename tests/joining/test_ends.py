"""How `store.transaction()` ends: whole or not at all, whatever fails, and with the error that tells the most."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, counted, registry
from leftfold.testing.proxy import CuttingProxy
from tests.joining.kinds import conninfo, path
from tests.joining.waiting import until


class Boom(Exception):
    """Something of the user's own."""


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, registry=registry) as store:
        yield store


@pytest.fixture
def on_postgresql(postgres_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(postgres_url, registry=registry) as store:
        yield store


def within(store: lf.EventStore, *work: Callable[[lf.Transaction], Any]) -> None:
    with store.transaction() as tx:
        for one in work:
            one(tx)


def append(tx: lf.Transaction) -> None:
    tx.append("Thing-a", [Counted(1)])


def run(sql: str) -> Callable[[lf.Transaction], Any]:
    return lambda tx: tx.execute(sql)


def passing_over(sql: str) -> Callable[[lf.Transaction], None]:
    def work(tx: lf.Transaction) -> None:
        with suppress(Exception):
            tx.execute(sql)

    return work


def nothing_is_stored(store: lf.EventStore) -> bool:
    """And the store goes on."""
    return store.append("Thing-a", [Counted(2)]).version == 1


# ended inside


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_a_transaction_that_was_ended_inside_is_no_clean_exit(store: lf.EventStore, end: str) -> None:
    with pytest.raises(lf.InvalidState, match="over already, ended inside its block"):
        within(store, append, run(end))
    assert len(list(store.read("Thing-a"))) == (1 if end == "COMMIT" else 0)


def test_what_follows_such_an_end_is_not_stored_by_itself(store: lf.EventStore) -> None:
    with pytest.raises(lf.InvalidState, match="over already"):
        within(store, append, run("ROLLBACK"), append)
    assert nothing_is_stored(store)


def test_an_error_with_which_sqlite_undoes_everything_cannot_be_passed_over(sqlite_url: str) -> None:
    with lf.connect(sqlite_url, registry=registry) as store:
        within(store, run("CREATE TABLE notes (n int PRIMARY KEY)"), run("INSERT INTO notes VALUES (1)"))
        with pytest.raises(lf.InvalidState, match="over already"):
            within(store, append, passing_over("INSERT OR ROLLBACK INTO notes VALUES (1)"), append)
        assert nothing_is_stored(store)


# a commit that fails


def test_a_constraint_that_is_judged_at_commit_undoes_everything(store: lf.EventStore, store_url: str) -> None:
    table = store._log.database.table("lines")
    within(
        store,
        run(f"CREATE TABLE {table} (n int PRIMARY KEY, next int REFERENCES {table} DEFERRABLE INITIALLY DEFERRED)"),
    )
    if store_url.startswith("sqlite"):
        with closing(sqlite3.connect(path(store_url))) as connection:
            connection.execute("PRAGMA foreign_keys = on")
            store.using(connection).append("Thing-a", [Counted(1)])
            connection.execute(f"INSERT INTO {table} VALUES (1, 2)")
            with pytest.raises(sqlite3.IntegrityError):
                connection.commit()
            connection.rollback()
    else:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            within(store, append, run(f"INSERT INTO {table} VALUES (1, 2)"))
    assert nothing_is_stored(store)


def test_a_serialization_failure_of_the_commit_is_a_conflict_of_the_transaction(on_postgresql: lf.EventStore) -> None:
    table = on_postgresql._log.database.table("notes")
    within(on_postgresql, run(f"CREATE TABLE {table} (n int)"))
    together = threading.Barrier(2, timeout=20)

    def count_and_append(name: str) -> str:
        try:
            with on_postgresql.transaction() as tx:
                tx.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                tx.execute(f"SELECT count(*) FROM {table}")
                together.wait()
                tx.execute(f"INSERT INTO {table} VALUES (1)")
                tx.append(f"Thing-{name}", [Counted(1)])
                together.wait()
        except lf.TransactionConflict as conflict:
            return str(conflict)
        return name

    with ThreadPoolExecutor(2) as threads:
        committed, told = sorted(threads.map(count_and_append, "ab"))
    assert "could not serialize" in told
    assert [one.stream for one in on_postgresql.read_all()] == [f"Thing-{committed}"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_reply_to_commit_that_is_lost_leaves_the_outcome_to_the_next_attempt(postgres_url: str, kind: str) -> None:
    server = urlsplit(postgres_url)
    assert server.hostname
    assert server.port
    [event] = counted(1)

    def blocking(url: str, cut: Callable[[], None]) -> lf.AppendResult:
        with lf.connect(url, registry=registry) as store, store.transaction() as tx:
            result = tx.append("Thing-a", [event])
            cut()
        return result

    async def asynchronous(url: str, cut: Callable[[], None]) -> lf.AppendResult:
        async with lf.connect_async(url, registry=registry) as store, store.transaction() as tx:
            result = await tx.append("Thing-a", [event])
            cut()
        return result

    def attempt(url: str, cut: Callable[[], None]) -> lf.AppendResult:
        return blocking(url, cut) if kind == "sync" else asyncio.run(asynchronous(url, cut))

    with CuttingProxy(server.hostname, server.port) as proxy:
        url = server._replace(netloc=f"{server.username}@127.0.0.1:{proxy.port}").geturl()
        with pytest.raises(lf.StoreUnavailable, match=r"during COMMIT.*same NewEvent objects.*duplicate"):
            attempt(url, lambda: proxy.cut_next("reply"))
        assert proxy.cuts == 1
        again = attempt(url, lambda: None)
    assert (again.version, again.duplicate) == (1, True)


def test_a_connection_that_was_lost_before_is_no_unknown_outcome(on_postgresql: lf.EventStore) -> None:
    die = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(lf.StoreUnavailable, match="lost inside this transaction, and the server has rolled it back"):
        within(on_postgresql, append, passing_over(die))
    assert nothing_is_stored(on_postgresql)


# errors of the user's own


def boom(tx: lf.Transaction) -> None:
    raise Boom


def test_what_the_block_raises_comes_out_also_when_the_connection_is_gone(on_postgresql: lf.EventStore) -> None:
    die = "SELECT pg_terminate_backend(pg_backend_pid())"

    def boom_in_savepoint(tx: lf.Transaction) -> None:
        with tx.savepoint():
            passing_over(die)(tx)
            raise Boom

    with pytest.raises(Boom):
        within(on_postgresql, append, passing_over(die), boom)
    with pytest.raises(Boom):
        within(on_postgresql, append, boom_in_savepoint)
    assert nothing_is_stored(on_postgresql)


def test_what_a_savepoint_raises_comes_out_also_when_there_is_no_transaction_any_more(store: lf.EventStore) -> None:
    def boom_in_savepoint(tx: lf.Transaction) -> None:
        with tx.savepoint():
            tx.execute("ROLLBACK")
            raise Boom

    with pytest.raises(Boom):
        within(store, append, boom_in_savepoint)
    assert nothing_is_stored(store)


def test_statements_of_ones_own_fail_with_the_drivers_errors(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    """Our remedies are for our own tables."""
    table = on_postgresql._log.database.table("notes")
    within(on_postgresql, run(f"CREATE TABLE {table} (n int)"))
    with psycopg.connect(conninfo(postgres_url)) as connection:
        connection.execute(f"LOCK TABLE {table}")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            within(on_postgresql, append, run(f"LOCK TABLE {table} NOWAIT"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        within(on_postgresql, append, run("SET LOCAL ROLE pg_monitor"), run(f"SELECT * FROM {table}"))
    assert nothing_is_stored(on_postgresql)


def test_a_statement_of_ones_own_that_sqlite_has_no_room_for_fails_with_its_error(sqlite_url: str) -> None:
    with lf.connect(sqlite_url, registry=registry) as store:
        within(store, run("CREATE TABLE notes (n text)"))
        with pytest.raises(sqlite3.OperationalError, match="full"):
            within(store, append, run("PRAGMA max_page_count = 1"), run("INSERT INTO notes VALUES (zeroblob(100000))"))
        within(store, run("PRAGMA max_page_count = 100000"))
        assert nothing_is_stored(store)


# interruptions


def test_an_interruption_in_the_block_rolls_it_back(store: lf.EventStore) -> None:
    def interrupt(tx: lf.Transaction) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        within(store, append, interrupt)
    assert nothing_is_stored(store)


def test_an_interruption_while_the_server_works_rolls_it_back(on_postgresql: lf.EventStore) -> None:
    def interrupt_soon(tx: lf.Transaction) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        tx.execute("SELECT pg_sleep(60)")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            within(on_postgresql, append, interrupt_soon)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert nothing_is_stored(on_postgresql)


def test_a_task_that_is_cancelled_in_the_block_rolls_it_back(store_url: str) -> None:
    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            appended = asyncio.Event()

            async def work() -> None:
                async with store.transaction() as tx:
                    await tx.append("Thing-a", [Counted(1)])
                    appended.set()
                    await asyncio.Event().wait()

            working = asyncio.create_task(work())
            await asyncio.wait_for(appended.wait(), 10)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            assert (await store.append("Thing-a", [Counted(2)])).version == 1

    asyncio.run(check())


# several threads or tasks in one transaction


def test_threads_that_share_a_transaction_take_turns(store: lf.EventStore) -> None:
    streams, each = 4, 15
    refusals: list[lf.ConcurrencyError] = []

    def fill(tx: lf.Transaction, stream: str) -> None:
        for number in range(1, each + 1):
            tx.append(stream, [lf.NewEvent(Counted(number), tags=["a"])], expected=number - 1)
            try:
                tx.append(stream, [Counted(0)], expected=number + 7)
            except lf.ConcurrencyError as refusal:
                refusals.append(refusal)

    with store.transaction() as tx, ThreadPoolExecutor(streams) as threads:
        for done in [threads.submit(fill, tx, f"Thing-{number}") for number in range(streams)]:
            done.result(60)
    assert len(refusals) == streams * each
    assert len(list(store.read_all(lf.Query.of(tags=["a"])))) == streams * each
    for number in range(streams):
        read = [one.event.number for one in store.read(f"Thing-{number}")]
        assert read == list(range(1, each + 1))


def test_the_end_waits_for_the_call_of_another_thread(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    """It would otherwise go on, on a connection that belongs to others then."""
    table = on_postgresql._log.database.table("notes")
    within(on_postgresql, run(f"CREATE TABLE {table} (n int)"))
    leaving = threading.Event()
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as gate, ThreadPoolExecutor(2) as threads:
        gate.execute("SELECT pg_advisory_lock(7)")

        def waits() -> bool:
            return (
                gate.execute("SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'").fetchone() is not None
            )

        def open_gate() -> None:
            assert leaving.wait(10)
            gate.execute("SELECT pg_advisory_unlock(7)")

        with on_postgresql.transaction() as tx:
            working = threads.submit(tx.execute, f"INSERT INTO {table} SELECT 1 FROM pg_advisory_xact_lock(7)")
            until(waits)
            opening = threads.submit(open_gate)
            leaving.set()
        assert (working.result(10), opening.result(10)) == ([], None)
        assert gate.execute(f"SELECT n FROM {table}").fetchall() == [(1,)]


def test_tasks_that_share_a_transaction_take_turns(store_url: str) -> None:
    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            async with store.transaction() as tx:
                await asyncio.gather(*(tx.append(f"Thing-{turn % 4}", [Counted(turn)]) for turn in range(40)))
            assert sorted([one.event.number async for one in store.read_all()]) == list(range(40))

    asyncio.run(check())
