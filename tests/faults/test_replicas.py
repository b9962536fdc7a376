"""Reads from a streaming replica, held back, stopped, restarted, promoted: never less than the primary shows."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import psycopg
import pytest

import leftfold as lf
from leftfold.database.postgresql import replica as replicas
from leftfold.database.postgresql.replica import Mark, Replica
from leftfold.database.statements import statement
from leftfold.doors.step import step
from leftfold.log.postgresql.parameters import append_parameters
from leftfold.log.postgresql.replicated import ReplicatedLog
from leftfold.testing.conformance import LogConformance
from leftfold.testing.conformance.door import Connect, open_door
from leftfold.testing.conformance.facts import an_append, counted, registry
from leftfold.testing.postgres import ThrowawayPostgres
from leftfold.testing.replica import ThrowawayReplica
from tests.faults.test_followers import WRITERS, Race

_schemas = count(1)
DEADLINE = 30


@pytest.fixture(scope="module")
def primary() -> Iterator[ThrowawayPostgres]:
    with ThrowawayPostgres() as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: ThrowawayPostgres) -> Iterator[ThrowawayReplica]:
    with ThrowawayReplica(primary, max_standby_streaming_delay="50ms") as server:
        yield server


@pytest.fixture(scope="module")
def database(primary: ThrowawayPostgres, standby: ThrowawayReplica) -> str:
    name = primary.create_database().rpartition("/")[2]
    wait_for_database(standby, name)
    return name


@pytest.fixture
def urls(primary: ThrowawayPostgres, standby: ThrowawayReplica, database: str) -> tuple[str, str]:
    """A fresh store on the primary, and the replica beside it."""
    return f"{primary.url(database)}?schema=test_{next(_schemas)}", standby.url(database)


@pytest.fixture
def lazy_primary(primary: ThrowawayPostgres) -> Iterator[None]:
    """It flushes nothing of itself, so that what is visible and not flushed stays so."""
    with psycopg.connect(primary.url(), autocommit=True) as operator:
        operator.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        operator.execute("SELECT pg_reload_conf()")
        yield
        operator.execute("ALTER SYSTEM RESET wal_writer_delay")
        operator.execute("SELECT pg_reload_conf()")


@contextmanager
def opened(urls: tuple[str, str]) -> Iterator[tuple[lf.EventStore, Replica]]:
    with lf.connect(urls[0], replica=urls[1], registry=registry) as store:
        yield store, replica_of(store)


def replica_of(store: lf.EventStore | lf.AsyncEventStore) -> Replica:
    assert isinstance(store._log, ReplicatedLog)
    return store._log.replica


def wait_for_database(server: ThrowawayReplica, name: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        question = "SELECT 1 FROM pg_database WHERE datname = %s"
        wait_until(lambda: connection.execute(question, (name,)).fetchone() is not None)


def wait_until_served(store: lf.EventStore) -> None:
    """Read until the replica answers again."""
    before = replica_of(store).served
    wait_until(lambda: bool(list(store.read_all(limit=1))) and replica_of(store).served > before)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.exhaustive
class TestConformance(LogConformance):
    @pytest.fixture
    def connect(self, urls: tuple[str, str]) -> Connect:
        return partial(open_door, urls[0], "async", replica=urls[1], registry=registry)


def test_what_was_just_appended_is_read_from_the_replica(urls: tuple[str, str]) -> None:
    with opened(urls) as (store, replica):
        for number in range(1, 101):
            result = store.append("Thing-a", counted(1, number))
            assert [one.version for one in store.read("Thing-a", after=number - 1)] == [number]
            assert [one.position for one in store.read_all(after=result.position - 1)] == [result.position]
        backwards = [one.version for one in store.read("Thing-a", backwards=True, limit=3)]
        assert backwards == [100, 99, 98]
        assert list(store.read("Thing-nobody")) == []
        assert (replica.served, replica.declined) == (201, 0)


@pytest.mark.exhaustive
@pytest.mark.alone
def test_a_replica_that_lags_is_left_and_taken_up_again(
    urls: tuple[str, str], standby: ThrowawayReplica, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(urls) as (store, _):
        store.append("Thing-a", counted(3))
        assert len(list(store.read_all())) == 3
        standby.pause_replay()
        try:
            store.append("Thing-a", counted(3))
            began = time.monotonic()
            for _ in range(20):
                assert len(list(store.read_all())) == len(list(store.read("Thing-a"))) == 6
            took = time.monotonic() - began
        finally:
            standby.resume_replay()
        assert took < 2.5 * replicas.PATIENCE, "one read waits, the others do not"
        wait_until_served(store)
        assert len(list(store.read_all())) == 6
        told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(told) == 2
        assert "reads come from the primary for now" in told[0]
        assert "more than 1 s behind the primary" in told[0]
        assert "again" in told[1]


@pytest.mark.exhaustive
@pytest.mark.alone
@pytest.mark.usefixtures("lazy_primary")
def test_what_others_leave_unflushed_holds_nobody_up(
    urls: tuple[str, str], primary: ThrowawayPostgres, database: str
) -> None:
    with opened(urls) as (store, replica), psycopg.connect(primary.url(database)) as other:
        store.append("Thing-a", counted(1))
        other.execute("CREATE TABLE left_open (number int)")
        began = time.monotonic()
        assert len(list(store.read_all())) == 1
        with psycopg.connect(primary.url(), autocommit=True) as operator:
            operator.execute("SELECT pg_switch_wal()")  # now the end of the WAL is behind the head of an empty page
        assert len(list(store.read("Thing-a"))) == 1
        assert time.monotonic() - began < 0.8 * replicas.PATIENCE
        assert replica.declined == 0
        other.rollback()


@pytest.mark.exhaustive
@pytest.mark.usefixtures("lazy_primary")
def test_an_event_that_is_visible_before_it_is_flushed_is_not_skipped(urls: tuple[str, str]) -> None:
    with opened(urls) as (store, replica), psycopg.connect(urls[0].partition("?")[0], autocommit=True) as other:
        for turn in range(5):
            with other.transaction():
                append_by_hand(other, store._log.database.schema, f"Thing-{turn}", 1)
                other.execute("SET LOCAL synchronous_commit = off")
            assert len(list(store.read_all())) == turn + 1
            assert len(list(store.read(f"Thing-{turn}"))) == 1
        assert replica.declined == 0


def append_by_hand(connection: psycopg.Connection, schema: str | None, stream: str, number: int) -> None:
    sql = statement("leftfold.log.postgresql", "append", str(schema))
    append = an_append(stream, counted(number))
    connection.execute(sql.encode(), append_parameters([append], together=False, wait=True, condition=None))


@pytest.mark.exhaustive
def test_a_statement_that_conflicts_with_recovery_is_asked_of_the_primary(
    urls: tuple[str, str], primary: ThrowawayPostgres
) -> None:
    with opened(urls) as (store, replica):
        store.append("Thing-a", counted(1))
        list(store.read_all())
        assert isinstance(store._log, ReplicatedLog)
        mark = store._log._mark
        assert mark is not None
        events = store._log.database.table("events")
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(lambda: step(replica.rows(mark, f"SELECT pg_sleep(20) FROM {events}", ())))
            wait_for_statement(urls[1], "%pg_sleep%")
            with psycopg.connect(urls[0].partition("?")[0], autocommit=True) as other, other.transaction():
                other.execute(f"LOCK TABLE {events} IN ACCESS EXCLUSIVE MODE".encode())
            assert slow.result(DEADLINE) is None
        declined = replica.declined
        assert len(list(store.read_all())) == 1
        assert replica.declined == declined, "one cancelled statement is no reason to leave the replica"


def wait_for_statement(url: str, like: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        question = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()"
        wait_until(lambda: connection.execute(question, (like,)).fetchone() is not None)


@pytest.mark.exhaustive
def test_a_replica_that_is_away_is_no_error_and_is_found_when_it_comes(
    primary: ThrowawayPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    caplog.handler.setLevel(logging.WARNING)
    url = primary.create_database()
    with ThrowawayReplica(primary) as standby:
        standby.stop()
        with opened((url, standby.url(url.rpartition("/")[2]))) as (store, replica):
            assert "reads come from the primary for now" in caplog.records[-1].getMessage()
            store.append("Thing-a", counted(2))
            assert [one.version for one in store.read("Thing-a")] == [1, 2]
            assert replica.served == 0
            standby.start()
            wait_until_served(store)
            standby.kill()
            store.append("Thing-a", counted(2))
            began = time.monotonic()
            assert [one.version for one in store.read("Thing-a")] == [1, 2, 3, 4]
            assert len(list(store.read_all())) == 4
            assert time.monotonic() - began < 3 * replicas.PATIENCE
            standby.start()
            wait_until_served(store)
            assert len(list(store.read_all())) == 4


@pytest.mark.exhaustive
def test_reads_that_find_a_replica_again_at_the_same_time_connect_to_it_once(
    primary: ThrowawayPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    """However many find it, nothing is left on the server when the store is closed."""
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    url = primary.create_database()

    async def find(standby: ThrowawayReplica, attempts: int) -> None:
        async with lf.connect_async(url, replica=standby.url(url.rpartition("/")[2]), registry=registry) as store:
            await store.append("Thing-a", counted(2))
            standby.start()
            replica = replica_of(store)
            async with asyncio.timeout(DEADLINE):
                while not replica.served:
                    replica._is_away = False  # as when attempts take longer than the pause between them
                    await asyncio.gather(*([anext(store.read_all()) for _ in range(attempts)]))

    with ThrowawayReplica(primary) as standby:
        standby.stop()
        asyncio.run(find(standby, 5))
        with psycopg.connect(standby.url(), autocommit=True) as connection:
            left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leftfold'"
            wait_until(lambda: connection.execute(left).fetchone() == (0,))


@pytest.mark.exhaustive
def test_a_replica_that_is_promoted_is_not_believed_any_more(
    primary: ThrowawayPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = primary.create_database()
    with ThrowawayReplica(primary) as standby:
        other_url = standby.url(url.rpartition("/")[2])
        with opened((url, other_url)) as (store, replica):
            store.append("Thing-a", counted(2))
            assert len(list(store.read_all())) == 2
            assert replica.served == 1
            standby.promote()
            with lf.connect(other_url, registry=registry) as elsewhere:
                elsewhere.append("Thing-a", counted(5))
            assert len(list(store.read("Thing-a"))) == 2
            store.append("Thing-a", counted(1))
            assert [one.version for one in store.read("Thing-a")] == [1, 2, 3]
            assert len(list(store.read_all())) == 3
            assert replica.served == 1
            assert "has become a primary of its own" in caplog.records[-1].getMessage()
        with pytest.raises(lf.InvalidArgument, match="is no replica: it takes writes"):
            lf.connect(url, replica=other_url)


@pytest.mark.exhaustive
def test_a_replica_of_a_primary_that_was_replaced_is_not_believed(
    primary: ThrowawayPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    """Two replicas; one is promoted and becomes the primary, the other stays on the former timeline."""
    url = primary.create_database()
    name = url.rpartition("/")[2]
    with ThrowawayReplica(primary) as heir, ThrowawayReplica(primary) as left_behind:
        with lf.connect(url, registry=registry) as store:
            store.append("Thing-a", counted(2))
        wait_for_events(heir.url(name), 2)
        wait_for_events(left_behind.url(name), 2)
        heir.promote()
        with opened((heir.url(name), left_behind.url(name))) as (store, replica):
            for expected in (2, 3):
                assert len(list(store.read_all())) == len(list(store.read("Thing-a"))) == expected
                store.append("Thing-a", counted(1))
            assert replica.served == 0
            assert "is on timeline 00000001 of cluster" in caplog.records[-1].getMessage()


def wait_for_events(url: str, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: connection.execute("SELECT to_regclass('leftfold.events')").fetchone() != (None,))
        wait_until(lambda: connection.execute("SELECT count(*) FROM leftfold.events").fetchone() == (number,))


def test_what_is_no_replica_of_the_primary_is_refused(
    primary: ThrowawayPostgres, standby: ThrowawayReplica, database: str, postgres_database: str
) -> None:
    url, elsewhere = primary.url(database), primary.create_database().rpartition("/")[2]
    wait_for_database(standby, elsewhere)
    for replica, wrong in (
        (url, "is no replica: it takes writes"),
        (postgres_database, "it is of another cluster"),
        (standby.url(elsewhere), "of another database"),
        ("sqlite:///bank.db", "replica is the URL of a PostgreSQL server"),
        (f"{standby.url(database)}?schema=another", "names another schema"),
    ):
        with pytest.raises(lf.InvalidArgument, match=wrong):
            lf.connect(url, replica=replica)
    with pytest.raises(lf.NotSupported, match="has no replicas"):
        lf.connect("sqlite://", replica=standby.url(database))


@dataclass
class Followed:
    """What was written, and what followers on the replica saw of it, through either door."""

    everything: list[lf.RecordedEvent]
    asynchronously: list[lf.RecordedEvent]
    blocking: list[lf.RecordedEvent]
    replica: Replica


class RacedReplica:
    """Writers on the primary, slow to commit and rolling back, and followers on a replica in bad weather."""

    def __init__(self, primary: ThrowawayPostgres, standby: ThrowawayReplica) -> None:
        self._standby = standby
        self._race = Race(primary.create_database(), "leftfold")
        self._name = self._race.url.rpartition("/")[2]
        self._end = 0
        self._waves_over = 0
        self._chance = random.Random(5)

    async def run(self) -> Followed:
        lf.connect(self._race.url).close()
        await asyncio.to_thread(wait_for_database, self._standby, self._name)
        replica_url = self._standby.url(self._name)
        asynchronously: list[lf.RecordedEvent] = []
        blocking: list[lf.RecordedEvent] = []
        async with lf.connect_async(self._race.url, replica=replica_url, registry=registry) as store:
            following = asyncio.ensure_future(self._follow(store, asynchronously))
            polling = asyncio.ensure_future(asyncio.to_thread(self._poll, replica_url, blocking))
            for wave in range(2):
                weather = asyncio.ensure_future(asyncio.to_thread(self._make_weather, wave))
                try:
                    await self._race.write_all(range(WRITERS * wave, WRITERS * (wave + 1)))
                finally:
                    self._waves_over = wave + 1
                    await weather
            async with asyncio.timeout(DEADLINE):
                await self._append_until_served(store)
            result = await store.append("Thing-end", [lf.RawEvent("end", b"{}")])
            self._end = result.position
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(following, polling)
        with lf.connect(self._race.url, registry=registry) as primary:
            return Followed(list(primary.read_all()), asynchronously, blocking, replica_of(store))

    async def _append_until_served(self, store: lf.AsyncEventStore) -> None:
        """Fair weather: the follower comes back to the replica, and stays."""
        served = replica_of(store).served
        while replica_of(store).served < served + 10:
            await store.append("Thing-fair", counted(1))
            await asyncio.sleep(0.02)

    async def _follow(self, store: lf.AsyncEventStore, seen: list[lf.RecordedEvent]) -> None:
        async with store.subscribe() as subscription:

            async def take() -> None:
                async for recorded in subscription:
                    seen.append(recorded)

            taking = asyncio.ensure_future(take())
            await asyncio.to_thread(wait_until, lambda: self._is_over(subscription.position))
            subscription.close()
            await taking

    def _is_over(self, position: int) -> bool:
        return self._race.given_up or 0 < self._end <= position

    def _poll(self, replica_url: str, seen: list[lf.RecordedEvent]) -> None:
        """From the horizon that it was told, as a projector does, so that what is not shown is missed for good."""
        with lf.connect(self._race.url, replica=replica_url, registry=registry) as store:
            position = 0
            while not self._race.given_up and (not self._end or position < self._end):
                head = store.head()
                seen.extend(store.read_all(after=position, until=head))
                position = head
                time.sleep(0.005)

    def _make_weather(self, wave: int) -> None:
        """Hold the replica back and cut its connections while there are writers; kill it before the second wave."""
        if wave:
            self._standby.kill()
            self._standby.start()
        while self._waves_over == wave:
            time.sleep(self._chance.uniform(0.02, 0.1))
            if self._chance.random() < 0.8:
                self._standby.pause_replay()
                time.sleep(self._chance.uniform(0, 0.2))
                self._standby.resume_replay()
            else:
                with psycopg.connect(self._standby.url(), autocommit=True) as operator:
                    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                    operator.execute(cut, (self._name,))


@pytest.mark.exhaustive
def test_followers_on_a_replica_miss_nothing_and_see_nothing_twice(
    primary: ThrowawayPostgres, standby: ThrowawayReplica, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    followed = asyncio.run(RacedReplica(primary, standby).run())
    print(
        f"\n{len(followed.everything)} events, 0 missed, 0 doubled; the async follower had {followed.replica.served} "
        f"pages from the replica and {followed.replica.declined} from the primary"
    )
    assert followed.asynchronously == followed.everything
    assert followed.blocking == followed.everything
    assert followed.replica.declined > 0, "the weather must have driven it to the primary, else this shows little"


@pytest.mark.exhaustive
def test_followers_that_believe_a_replica_at_once_miss_events(
    primary: ThrowawayPostgres,
    standby: ThrowawayReplica,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The race above, with a mutant that does not wait for the mark: it must be caught."""
    caplog.set_level(logging.CRITICAL, "psycopg.pool")

    async def believe(self: Replica, connection: object, mark: Mark) -> None:
        return None

    monkeypatch.setattr(Replica, "_reach", believe)
    followed = asyncio.run(RacedReplica(primary, standby).run())
    everything = {one.position for one in followed.everything}
    missed = everything - {one.position for one in followed.asynchronously}
    print(f"\nwithout the mark {len(missed)} of {len(everything)} events are missed")
    assert missed
