"""Followers are woken: by the writer in the same process, by PostgreSQL's notifications, failing both by themselves.

Where being woken is to be shown, the poll is set to far beyond the test's patience, so that nothing else can deliver.
"""

from __future__ import annotations

import asyncio
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile

import psycopg
import pytest
from psycopg.errors import QueryCanceled

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry
from leftfold.testing.postgres import ThrowawayPostgres

NEVER = 3600.0
PATIENCE = 20.0


class Reader(threading.Thread):
    """Reads a subscription in a thread; ``wait_for`` gives up after `PATIENCE`."""

    def __init__(self, store: lf.EventStore, query: lf.Query = lf.Query.ALL, *, after: int = 0) -> None:
        super().__init__(daemon=True)
        self.subscription = store.subscribe(query, after=after)
        self.seen: list[lf.RecordedEvent] = []
        self._news = threading.Condition()

    def run(self) -> None:
        for recorded in self.subscription:
            with self._news:
                self.seen.append(recorded)
                self._news.notify_all()

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.seen) >= count, PATIENCE), f"{len(self.seen)} of {count} came"


@contextmanager
def reading(store: lf.EventStore, many: int = 1) -> Iterator[list[Reader]]:
    """So many subscriptions, each in a thread, woken and idle."""
    readers = [Reader(store) for _ in range(many)]
    for reader in readers:
        reader.start()
    try:
        yield readers
    finally:
        for reader in readers:
            reader.subscription.close()
        for reader in readers:
            reader.join(PATIENCE)
            assert not reader.is_alive(), "a closed subscription goes on"


@contextmanager
def two_stores(url: str) -> Iterator[tuple[lf.EventStore, lf.EventStore]]:
    """As two processes would have them: they share nothing but the database."""
    with lf.connect(url, registry=registry) as one, lf.connect(url, registry=registry) as other:
        yield one, other


def listeners(url: str) -> list[int]:
    """The server's processes that serve notifiers of this test's database."""
    with psycopg.connect(url.partition("?")[0]) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name = 'leftfold notifier' AND datname = current_database()"
        )
        return [pid for (pid,) in rows]


def has_a_listener(url: str) -> bool:
    """Whether an append would tell."""
    with lf.connect(url, registry=registry) as store, psycopg.connect(url.partition("?")[0]) as connection:
        [(heard,)] = connection.execute(f"SELECT {store._log.database.schema}.listened_v1()").fetchall()
        return bool(heard)


def wait_until_listening(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not has_a_listener(url):
        assert time.monotonic() < deadline, "nobody listens"
        time.sleep(0.02)


def test_the_writer_wakes_followers_of_its_own_process(store_url: str) -> None:
    with lf.connect(store_url, registry=registry) as store:
        store._log.poll_seconds = NEVER
        with reading(store) as [reader]:
            for turn in range(1, 6):
                store.append("Thing-a", counted(1, turn))
                reader.wait_for(turn)


def test_a_notification_wakes_the_followers_of_another_process(postgres_url: str) -> None:
    with two_stores(postgres_url) as (listening, store):
        listening._log.poll_seconds = NEVER
        with reading(listening) as [reader]:
            wait_until_listening(postgres_url)
            for turn in range(1, 6):
                store.append("Thing-a", counted(1, turn))
                reader.wait_for(turn)
                time.sleep(0.25)  # past the time for which a follower looks often by itself


def test_on_sqlite_a_cheap_poll_finds_what_other_connections_wrote(sqlite_url: str) -> None:
    with two_stores(sqlite_url) as (following, store), reading(following) as [reader]:
        for turn in range(1, 6):
            store.append("Thing-a", counted(1, turn))
            reader.wait_for(turn)


def test_many_subscriptions_of_one_store_share_one_listener(postgres: ThrowawayPostgres) -> None:
    url = postgres.create_database()
    with lf.connect(url, registry=registry) as store:
        store._log.poll_seconds = NEVER
        with reading(store, 20) as readers:
            wait_until_listening(url)
            assert len(listeners(url)) == 1
            store.append("Thing-a", counted(3))
            for reader in readers:
                reader.wait_for(3)


def test_a_store_that_nobody_listens_to_has_no_notifier(postgres: ThrowawayPostgres) -> None:
    url = postgres.create_database()
    with lf.connect(url, registry=registry) as store:
        for turn in range(20):
            store.append("Thing-a", counted(1, turn))
        assert listeners(url) == []


def test_when_the_listener_dies_the_poll_delivers_and_it_comes_back(postgres: ThrowawayPostgres) -> None:
    url = postgres.create_database()
    with (
        two_stores(url) as (listening, store),
        reading(listening) as [reader],
        psycopg.connect(url, autocommit=True) as admin,
    ):
        wait_until_listening(url)
        for turn in range(1, 4):
            for pid in listeners(url):
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            store.append("Thing-a", counted(1, turn))
            reader.wait_for(turn)
        wait_until_listening(url)
        listening._log.poll_seconds = NEVER
        time.sleep(0.3)  # the pause that was begun before
        store.append("Thing-a", counted(1))
        reader.wait_for(4)


@pytest.mark.exhaustive
def test_after_a_restart_of_the_server_subscriptions_resume_exactly() -> None:
    with ThrowawayPostgres() as server:
        url = server.create_database()
        with two_stores(url) as (listening, store), reading(listening, 3) as readers:
            wait_until_listening(url)
            store.append("Thing-a", counted(10))
            server.kill()
            server.start()
            for turn in range(11, 31):
                store.append("Thing-a", counted(1, turn))
            for reader in readers:
                reader.wait_for(30)
                assert [recorded.event.number for recorded in reader.seen] == list(range(1, 31))
            wait_until_listening(url)


def test_closing_is_prompt_however_long_the_poll(store_url: str) -> None:
    with lf.connect(store_url, registry=registry) as store:
        store._log.poll_seconds = NEVER
        with reading(store, 5):
            time.sleep(0.1)


def test_closing_the_store_ends_its_subscriptions(store_url: str) -> None:
    with lf.connect(store_url, registry=registry) as store:
        store.append("Thing-a", counted(3))
        readers = [Reader(store) for _ in range(3)]
        for reader in readers:
            reader.start()
            reader.wait_for(3)
    for reader in readers:
        reader.join(PATIENCE)
        assert not reader.is_alive(), "a subscription goes on without its store"


def test_closing_the_store_ends_its_subscriptions_in_tasks(store_url: str) -> None:
    async def follow() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            await store.append("Thing-a", counted(3))
            subscription = store.subscribe()
            seen = [await anext(subscription) for _ in range(3)]
            waiting = asyncio.ensure_future(anext(subscription))
            await asyncio.wait([waiting], timeout=0.1)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(StopAsyncIteration):
                await waiting
        assert subscription.position == seen[-1].position

    asyncio.run(follow())


def test_a_store_that_is_opened_again_is_followed_and_woken_again(postgres: ThrowawayPostgres) -> None:
    url = postgres.create_database()

    async def follow_twice() -> None:
        store = lf.connect_async(url, registry=registry)
        for turn in (1, 2):
            async with store, asyncio.timeout(PATIENCE):
                subscription = store.subscribe(after=turn - 1)
                await store.append("Thing-a", counted(1, turn))
                assert (await anext(subscription)).version == turn
                await asyncio.to_thread(wait_until_listening, url)

    asyncio.run(follow_twice())


def test_closing_twice_touches_no_file_of_anybody_else(postgres_url: str) -> None:
    """The notifier's pipe is closed once; the numbers of its ends may have been given to others since."""
    with lf.connect(postgres_url, registry=registry) as store:
        with reading(store) as [reader]:
            store.append("Thing-a", counted(1))
            reader.wait_for(1)
        store.close()
        with ExitStack() as files:
            strangers = [files.enter_context(TemporaryFile()) for _ in range(100)]
            store.close()
            assert [os.fstat(file.fileno()).st_size for file in strangers] == [0] * 100


def test_a_process_with_very_many_files_is_notified(postgres: ThrowawayPostgres) -> None:
    url = postgres.create_database()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_000), hard))
    try:
        with ExitStack() as files, two_stores(url) as (listening, store):
            for _ in range(1_100):
                files.enter_context(open(os.devnull))
            listening._log.poll_seconds = NEVER
            with reading(listening) as [reader]:
                wait_until_listening(url)
                store.append("Thing-a", counted(1))
                reader.wait_for(1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_append_is_acknowledged_though_no_notifier_can_be_started(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_stores(postgres_url) as (listening, store), reading(listening) as [reader]:
        wait_until_listening(postgres_url)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pipe", _no_more_files)
            assert store.append("Thing-a", counted(1)).version == 1
            reader.wait_for(1)
        listening._log.poll_seconds = NEVER
        time.sleep(0.3)  # the pauses that were begun before
        store.append("Thing-a", counted(1))
        reader.wait_for(2)


def _no_more_files() -> tuple[int, int]:
    raise OSError(24, "Too many open files")


@pytest.mark.exhaustive
def test_a_cancelled_statement_does_not_pass_for_a_listener(postgres: ThrowawayPostgres) -> None:
    """Appends look for listeners by trying a lock of the session's; one that kept it would keep notifiers waiting."""
    url = postgres.create_database()
    with lf.connect(url, registry=registry):
        pass
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(30):
            timer = threading.Timer(0.1, connection.cancel)
            timer.start()
            with suppress(QueryCanceled):
                connection.execute(
                    "SELECT leftfold.listened_v1() FROM generate_series(1, 1000) a, generate_series(1, 1000)"
                )
            timer.join()
            assert connection.execute("SELECT * FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
