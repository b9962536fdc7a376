"""What cannot be kept, or would wait for ever, is refused in words that say what to do instead."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from contextvars import Context
from pathlib import Path
from typing import Any

import aiosqlite
import django.db
import psycopg
import psycopg_pool
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, registry
from leftfold.testing.postgres import Postgres
from tests.joining.kinds import async_engine, conninfo, engine, path, with_django


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, registry=registry) as store:
        yield store


@pytest.fixture
def on_sqlite(sqlite_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(sqlite_url, registry=registry) as store:
        yield store


@pytest.fixture
def on_postgresql(postgres_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(postgres_url, registry=registry) as store:
        yield store


def refused(tx: lf.Transaction, words: str) -> None:
    with pytest.raises(lf.InvalidArgument, match=words):
        tx.append("Thing-a", [Counted(1)])


def refused_now(tx: lf.Transaction, words: str) -> None:
    with pytest.raises(lf.InvalidState, match=words):
        tx.append("Thing-a", [Counted(1)])


# in no transaction


def test_a_psycopg_connection_in_autocommit(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url), autocommit=True) as connection:
        tx = on_postgresql.using(connection)
        refused_now(tx, "in autocommit and in no transaction: use `with connection.transaction")
        with pytest.raises(lf.InvalidState, match="autocommit"):
            list(tx.read("Thing-a"))
        with connection.transaction():
            tx.append("Thing-a", [Counted(1)])
        refused_now(tx, "autocommit")
    assert len(list(on_postgresql.read("Thing-a"))) == 1


def test_an_sqlite3_connection_in_autocommit(on_sqlite: lf.EventStore, sqlite_url: str) -> None:
    with closing(sqlite3.connect(path(sqlite_url), isolation_level=None)) as connection:
        refused_now(on_sqlite.using(connection), "in autocommit and in no transaction: execute..BEGIN IMMEDIATE")
    assert list(on_sqlite.read("Thing-a")) == []


def test_a_sqlalchemy_connection_in_autocommit(store: lf.EventStore, store_url: str) -> None:
    with engine(store_url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        refused_now(store.using(connection), "autocommit.*take isolation_level=AUTOCOMMIT away from it")
    assert list(store.read("Thing-a")) == []


def test_djangos_connection_outside_of_atomic_and_after_an_error_inside(store: lf.EventStore, store_url: str) -> None:
    with with_django(store_url) as work:
        tx = store.using(work.connection)
        work.connection.set_rollback(True)
        refused_now(tx, r"broken this transaction.atomic\(\) block")
        work.connection.set_rollback(False)
        tx.append("Thing-a", [Counted(1)])
    refused_now(tx, "use `with transaction.atomic")
    work.connection.close()
    assert len(list(store.read("Thing-a"))) == 1


# of another kind


@pytest.mark.parametrize("given", [None, "postgresql://", object()])
def test_what_is_no_connection(store: lf.EventStore, given: object) -> None:
    with pytest.raises(lf.InvalidArgument, match=r"and takes a (psycopg|sqlite3) Connection"):
        store.using(given)


def test_a_connection_of_the_other_back_end(
    on_sqlite: lf.EventStore, on_postgresql: lf.EventStore, sqlite_url: str, postgres_url: str
) -> None:
    with closing(sqlite3.connect(path(sqlite_url))) as lite, psycopg.connect(conninfo(postgres_url)) as connection:
        refused(on_postgresql.using(lite), "is on PostgreSQL and takes a psycopg Connection.*not sqlite3's Connection")
        refused(on_sqlite.using(connection), "is on SQLite and takes a sqlite3 Connection.*not psycopg's Connection")


def test_what_is_easily_taken_for_a_connection_is_told_what_to_pass_in_its_place(
    store: lf.EventStore, store_url: str, on_postgresql: lf.EventStore, postgres_url: str
) -> None:
    made = engine(store_url)
    with pytest.raises(lf.InvalidArgument, match=r"sqlalchemy's Engine: pass .* `with engine.begin\(\) as connection"):
        store.using(made)
    with pytest.raises(lf.InvalidArgument, match="sqlalchemy's sessionmaker: this one makes sessions: call it"):
        store.using(sessionmaker(made))
    with pytest.raises(lf.InvalidArgument, match="not a str"):
        store.using(store_url)
    with (
        psycopg_pool.ConnectionPool(conninfo(postgres_url), open=False) as pool,
        pytest.raises(lf.InvalidArgument, match=r"`with pool.connection\(\) as connection"),
    ):
        on_postgresql.using(pool)
    with (
        psycopg.connect(conninfo(postgres_url)) as connection,
        pytest.raises(lf.InvalidArgument, match="Cursor: pass the connection that the cursor is of"),
    ):
        on_postgresql.using(connection.cursor())

    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            with pytest.raises(lf.InvalidArgument, match=r"AsyncEngine: pass .* `async with engine.begin"):
                store.using(async_engine(store_url))
            with pytest.raises(lf.InvalidArgument, match=r"Django has no async transactions.*sync_to_async"):
                store.using(django.db.connection)

    asyncio.run(check())


def test_a_connection_of_the_other_door(store_url: str) -> None:
    @asynccontextmanager
    async def asynchronous() -> AsyncIterator[Any]:
        if store_url.startswith("sqlite"):
            async with aiosqlite.connect(path(store_url)) as lite:
                yield lite
        else:
            async with await psycopg.AsyncConnection.connect(conninfo(store_url)) as connection:
                yield connection

    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            with (
                engine(store_url).connect() as connection,
                pytest.raises(lf.InvalidArgument, match=r"this async store.*with lf.connect$"),
            ):
                store.using(connection)
            async with asynchronous() as connection, AsyncSession(async_engine(store_url)) as session:
                with lf.connect(store_url, registry=registry) as blocking:
                    for one in (connection, session):
                        with pytest.raises(lf.InvalidArgument, match=r"this store is on.*with lf.connect_async$"):
                            blocking.using(one)

    asyncio.run(check())


def test_a_sqlalchemy_engine_through_another_driver_is_told_which_to_take(on_postgresql: lf.EventStore) -> None:
    class Connection:
        __module__ = "psycopg2.extensions"

    with pytest.raises(lf.InvalidArgument, match=r"postgresql\+psycopg://"):
        on_postgresql.using(Connection())


def test_a_connection_to_another_file_or_database(
    on_sqlite: lf.EventStore, on_postgresql: lf.EventStore, postgres: Postgres, tmp_path: Path
) -> None:
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    lf.connect(elsewhere).close()
    with closing(sqlite3.connect(path(elsewhere))) as lite:
        refused(on_sqlite.using(lite), "leads to .*elsewhere.db, and the store is .*store.db")
    with closing(sqlite3.connect(":memory:")) as memory:
        refused(on_sqlite.using(memory), "leads to a database in memory")
    for prepare in (False, True):
        url = postgres.create_database()
        if prepare:
            lf.connect(url).close()
        with psycopg.connect(url) as connection:
            refused(on_postgresql.using(connection), "leads to the database .* and the store is")


def test_a_connection_in_another_encoding(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url), client_encoding="latin1") as connection:
        refused(on_postgresql.using(connection), "LATIN1.*use UTF8")


def test_a_closed_connection(on_sqlite: lf.EventStore, on_postgresql: lf.EventStore, postgres_url: str) -> None:
    lite = sqlite3.connect(":memory:")
    lite.close()
    refused_now(on_sqlite.using(lite), "closed")
    connection = psycopg.connect(conninfo(postgres_url))
    connection.close()
    refused_now(on_postgresql.using(connection), "closed")


def test_a_store_in_memory_has_only_transactions_of_its_own() -> None:
    with lf.connect("sqlite://", registry=registry) as store, closing(sqlite3.connect(":memory:")) as connection:
        refused(store.using(connection), "use `with store.transaction")
        with store.transaction() as tx:
            tx.append("Thing-a", [Counted(1)])
            assert len(list(tx.read("Thing-a"))) == 1
            with pytest.raises(lf.InvalidState, match="inside"):
                list(store.read("Thing-a"))
        assert len(list(store.read("Thing-a"))) == 1


def test_a_connection_in_pipeline_mode(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url)) as connection:
        tx = on_postgresql.using(connection)
        with connection.pipeline():
            refused_now(tx, "in pipeline mode")
        tx.append("Thing-a", [Counted(1)])


def test_a_connection_in_a_transaction_that_may_not_write(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url)) as connection:
        connection.read_only = True
        with pytest.raises(lf.StoreUnavailable, match="the transaction is read only"):
            on_postgresql.using(connection).append("Thing-a", [Counted(1)])


def test_what_is_no_sql(store: lf.EventStore) -> None:
    with store.transaction() as tx:
        for statement in (sa.text("SELECT 1"), sa.select(sa.literal(1)), b"SELECT 1"):
            with pytest.raises(
                lf.InvalidArgument, match=r"takes SQL as a str, not (sqlalchemy|builtins)'s .*store.using"
            ):
                tx.execute(statement)  # type: ignore[arg-type]
        assert tx.execute("SELECT 1") == [(1,)]


# not yet


def test_a_transaction_without_with(store: lf.EventStore, store_url: str) -> None:
    with pytest.raises(
        AttributeError, match=r"not begun: write `with store.transaction\(\) as tx:`, and use tx.append"
    ):
        store.transaction().append("Thing-a", [Counted(1)])

    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            with pytest.raises(AttributeError, match=r"not begun: write `async with store.transaction\(\) as tx:`"):
                store.transaction().append("Thing-a", [Counted(1)])

    asyncio.run(check())
    assert list(store.read("Thing-a")) == []


# not any more


def test_a_transaction_that_has_ended(store: lf.EventStore) -> None:
    with store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
    refused_now(tx, "has ended")
    with pytest.raises(lf.InvalidState, match="has ended"):
        tx.execute("SELECT 1")


def test_a_transaction_that_has_failed(on_postgresql: lf.EventStore, postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url)) as connection:
        tx = on_postgresql.using(connection)
        tx.append("Thing-a", [Counted(1)])
        with pytest.raises(psycopg.Error, match="nowhere"):
            tx.execute("SELECT nothing FROM nowhere")
        refused_now(tx, r"an earlier statement of this transaction failed.*tx.savepoint")
        connection.rollback()
        tx.append("Thing-a", [Counted(1)], expected=lf.NO_STREAM)


def test_a_failure_that_was_passed_over_is_not_taken_for_a_commit(on_postgresql: lf.EventStore) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no driver makes an error of that."""

    def work() -> None:
        with on_postgresql.transaction() as tx:
            tx.append("Thing-a", [Counted(1)])
            with suppress(psycopg.Error):
                tx.execute("SELECT nothing FROM nowhere")

    with pytest.raises(lf.InvalidState, match="an earlier statement of this transaction failed"):
        work()
    assert list(on_postgresql.read("Thing-a")) == []


# the store itself, inside


def test_the_store_itself_inside_its_own_transaction(store: lf.EventStore) -> None:
    class Named(lf.Aggregate, category="Named"):
        def apply(self, event: Any) -> None:
            return

    def save() -> None:
        with store.repository(Named).create("a") as named:
            named.record(Counted(1))

    with store.transaction() as tx:
        for use in (
            lambda: store.append("Thing-a", [Counted(1)]),
            lambda: store.append_all([lf.Write("Thing-a", [Counted(1)])]),
            lambda: store.transaction().__enter__(),
            save,
            store.close,
        ):
            tx.append("Thing-a", [Counted(0)])
            with pytest.raises(lf.InvalidState, match=r"inside .with store.transaction.*Use tx"):
                use()
        with ThreadPoolExecutor(1) as threads:  # which does not carry the context over
            elsewhere = threads.submit(lambda: list(store.read("Thing-b")))
            assert elsewhere.result(10) == []
    assert store.append("Thing-a", [Counted(1)]).version == 6


def test_another_store_inside_a_transaction_is_nobodys_business(store: lf.EventStore, tmp_path: Path) -> None:
    with lf.connect(f"sqlite:///{tmp_path}/other.db", registry=registry) as other, store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
        assert other.append("Thing-a", [Counted(1)]).version == 1


def test_a_task_started_inside_is_refused_until_the_transaction_ends_unless_it_has_a_context_of_its_own(
    store_url: str,
) -> None:
    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            ended = asyncio.Event()

            async def append_when(late: bool) -> lf.AppendResult:
                if late:
                    await ended.wait()
                return await store.append("Thing-a", [Counted(1)])

            async with store.transaction() as tx:
                await tx.append("Thing-b", [Counted(1)])
                with pytest.raises(lf.InvalidState, match="inside"):
                    await asyncio.wait_for(append_when(late=False), 10)
                outliving = asyncio.create_task(append_when(late=True))
                loop = asyncio.get_running_loop()
                independent = loop.create_task(append_when(late=False), context=Context())
            ended.set()
            async with asyncio.timeout(20):
                assert sorted([(await outliving).version, (await independent).version]) == [1, 2]

    asyncio.run(check())


def test_after_an_error_the_thread_is_outside_again(store: lf.EventStore) -> None:
    with suppress(RuntimeError), store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
        raise RuntimeError
    assert store.append("Thing-a", [Counted(1)]).version == 1


# and what works


def test_a_connections_own_factories_and_adapters_are_left_alone(
    on_sqlite: lf.EventStore, on_postgresql: lf.EventStore, sqlite_url: str, postgres_url: str
) -> None:
    event = lf.NewEvent(Counted(1), tags=["ümlaut"])
    with closing(sqlite3.connect(path(sqlite_url))) as lite:
        lite.row_factory = sqlite3.Row
        lite.text_factory = bytes
        tx = on_sqlite.using(lite)
        tx.append("Thing-a", [event])
        [read] = tx.read("Thing-a")
        assert (read.stream, read.tags, read.data) == ("Thing-a", ("ümlaut",), b'{"number":1}')
        assert (lite.row_factory, lite.text_factory) == (sqlite3.Row, bytes)
        lite.commit()
    factories: list[Any] = [psycopg.Cursor, psycopg.ClientCursor, psycopg.RawCursor]
    for factory in factories:
        with psycopg.connect(conninfo(postgres_url), row_factory=psycopg.rows.dict_row) as connection:
            connection.cursor_factory = factory
            connection.execute("SET TIME ZONE 'Asia/Kolkata'; SET DateStyle TO German; SET search_path TO pg_temp")
            tx = on_postgresql.using(connection)
            tx.append("Thing-a", [event])
            read = list(tx.read("Thing-a"))[-1]
            assert (read.stream, read.tags, read.data) == ("Thing-a", ("ümlaut",), b'{"number":1}')
            assert read.occurred_at == read.recorded_at


def test_a_scoped_session_is_the_session_of_this_thread(store: lf.EventStore, store_url: str) -> None:
    sessions = scoped_session(sessionmaker(engine(store_url)))
    store.using(sessions).append("Thing-a", [Counted(1)])
    assert list(store.read("Thing-a")) == []
    sessions.commit()
    sessions.remove()
    assert len(list(store.read("Thing-a"))) == 1


def test_a_session_that_has_not_begun_and_one_without_an_engine_say_so(store: lf.EventStore, store_url: str) -> None:
    with Session(engine(store_url), autobegin=False) as session:
        refused(store.using(session), "this Session cannot be used: Autobegin is disabled.*session.begin")
    with Session() as session:
        refused(store.using(session), "this Session cannot be used: .*not bound")


def test_a_session_that_cannot_go_on_says_so(store: lf.EventStore, store_url: str) -> None:
    with Session(engine(store_url)) as session:
        session.connection().invalidate()
        refused(store.using(session), "this Connection cannot be used: .*invalid transaction")


def test_aggregates_are_loaded_and_saved_inside_the_transaction(store: lf.EventStore) -> None:
    class Tally(lf.Aggregate, category="Tally", snapshot_every=2):
        total: int = 0

        def count(self, number: int) -> None:
            self.record(Counted(number))

        def apply(self, event: Any) -> None:
            self.total += event.number

    tallies = store.repository(Tally)
    with store.transaction() as tx:
        inside = tx.repository(Tally)
        with inside.create("a") as tally:
            tally.count(1)
        inside.update("a", Tally.count, 2)
        assert inside.get("a").total == 3
        with suppress(RuntimeError), tx.savepoint():
            inside.update("a", Tally.count, 100)
            raise RuntimeError
        with pytest.raises(lf.AggregateNotFound):
            tallies.get("a")
    assert tallies.get("a").total == 3
    tallies.update("a", Tally.count, 3)
    assert tallies.get("a").total == 6


def test_followers_of_this_process_are_woken_by_the_commit(store: lf.EventStore) -> None:
    woken = store._log.database.signal()
    store._log.wakeups.join(woken)
    with store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
        assert not woken_within(woken, 0)
    assert woken_within(woken, 0)


def woken_within(signal: Any, seconds: float) -> bool:
    async def wait() -> bool:
        return bool(await signal.wait(seconds))

    return asyncio.run(wait())


def test_a_conflict_survives_pickling() -> None:
    assert str(pickle.loads(pickle.dumps(lf.TransactionConflict("why")))) == "why"
