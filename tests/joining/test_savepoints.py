"""Savepoints and followers: a rollback to a savepoint gives up locks, and still nobody passes what is on its way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, counted, registry
from tests.joining.kinds import conninfo

WRITERS = 8
TRANSACTIONS = 40


class Boom(Exception):
    """Something of the user's own."""


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, registry=registry) as store:
        yield store


def numbers(store: lf.EventStore) -> list[int]:
    return [one.event.number for one in store.read_all()]


def test_what_a_savepoint_undoes_is_undone_alone(store: lf.EventStore) -> None:
    undone = counted(1, 2)
    with store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
        with suppress(Boom), tx.savepoint():
            assert tx.append("Thing-a", undone).version == 2
            tx.append("Thing-b", [Counted(9)])
            raise Boom
        with tx.savepoint():
            again = tx.append("Thing-a", undone, expected=1)
            assert (again.version, again.duplicate) == (2, False)
        tx.append("Thing-a", [Counted(3)], expected=2)
    assert numbers(store) == [1, 2, 3]
    assert [one.version for one in store.read("Thing-a")] == [1, 2, 3]


def test_an_error_of_the_users_sql_inside_a_savepoint_leaves_the_transaction_alone(store: lf.EventStore) -> None:
    with store.transaction() as tx:
        tx.append("Thing-a", [Counted(1)])
        with suppress(Exception), tx.savepoint():
            tx.append("Thing-a", [Counted(2)])
            tx.execute("SELECT nothing FROM nowhere")
        tx.append("Thing-a", [Counted(3)], expected=1)
    assert numbers(store) == [1, 3]


def test_an_error_that_was_passed_over_inside_a_savepoint_undoes_the_savepoint(postgres_url: str) -> None:
    def passing_over(tx: lf.Transaction) -> None:
        with tx.savepoint():
            tx.append("Thing-a", [Counted(2)])
            with suppress(psycopg.Error):
                tx.execute("SELECT nothing FROM nowhere")

    with lf.connect(postgres_url, registry=registry) as store:
        with store.transaction() as tx:
            tx.append("Thing-a", [Counted(1)])
            with pytest.raises(lf.InvalidState, match="an earlier statement"):
                passing_over(tx)
            tx.append("Thing-a", [Counted(3)], expected=1)
        assert numbers(store) == [1, 3]


def test_a_rollback_to_a_savepoint_does_not_let_followers_pass_what_was_appended_before_it(postgres_url: str) -> None:
    with lf.connect(postgres_url, registry=registry) as store, psycopg.connect(conninfo(postgres_url)) as connection:
        tx = store.using(connection)
        tx.append("Thing-a", [Counted(1)])
        connection.execute("SAVEPOINT here")
        tx.append("Thing-b", [Counted(2)])
        connection.execute("ROLLBACK TO SAVEPOINT here")
        store.append("Thing-c", [Counted(3)])
        assert numbers(store) == []  # 1 is on its way, and stands before 3
        tx.append("Thing-d", [Counted(4)])
        connection.execute("ROLLBACK TO SAVEPOINT here")
        store.append("Thing-e", [Counted(5)])
        assert (numbers(store), store.head()) == ([], 0)
        connection.commit()
        assert numbers(store) == [1, 3, 5]


def test_followers_do_not_wait_for_what_a_savepoint_has_undone(postgres_url: str) -> None:
    with lf.connect(postgres_url, registry=registry) as store, psycopg.connect(conninfo(postgres_url)) as connection:
        tx = store.using(connection)
        connection.execute("SAVEPOINT here")
        tx.append("Thing-a", [Counted(1)])
        store.append("Thing-b", [Counted(2)])
        assert numbers(store) == []
        connection.execute("ROLLBACK TO SAVEPOINT here")
        assert numbers(store) == [2]
        tx.append("Thing-a", [Counted(3)])
        store.append("Thing-b", [Counted(4)])
        assert numbers(store) == [2]
        connection.commit()
        assert numbers(store) == [2, 3, 4]


def test_an_append_that_was_judged_twice_keeps_followers_back_as_any_other(postgres_url: str) -> None:
    """A collision of ids undoes a subtransaction inside the function; what was appended before is still on its way."""
    with lf.connect(postgres_url, registry=registry) as store, psycopg.connect(conninfo(postgres_url)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        tx = store.using(connection)
        tx.append("Thing-a", [Counted(1)])
        store.append("Thing-b", [Counted(2)])
        with pytest.raises(lf.TransactionConflict):
            tx.append("Thing-b", [Counted(3)])
        assert numbers(store) == []
        connection.commit()
        assert numbers(store) == [1, 2]


async def write(number: int, url: str, store: lf.AsyncEventStore) -> int:
    """Transactions with savepoints, slow, some undone in part and some as a whole; how many events are committed."""
    chance = random.Random(number)
    committed = 0
    async with await psycopg.AsyncConnection.connect(conninfo(url)) as connection:
        for _ in range(TRANSACTIONS):
            tx, appended = store.using(connection), 0
            for part in range(chance.randint(1, 4)):
                await connection.execute(f"SAVEPOINT part_{part}")
                count = chance.randint(1, 3)
                await tx.append(f"Thing-{number}x{part}", counted(count))
                await asyncio.sleep(chance.uniform(0, 0.008))
                if chance.random() < 0.4:
                    await connection.execute(f"ROLLBACK TO SAVEPOINT part_{part}")
                else:
                    appended += count
            await asyncio.sleep(chance.uniform(0, 0.008))
            if chance.random() < 0.2:
                await connection.rollback()
            else:
                await connection.commit()
                committed += appended
    return committed


def test_a_follower_misses_and_doubles_nothing_while_savepoints_come_and_go(postgres_url: str) -> None:
    async def follow(store: lf.AsyncEventStore) -> list[int]:
        seen = []
        async with store.subscribe() as subscription:
            async for recorded in subscription:
                seen.append(recorded.position)
                if recorded.stream == "Thing-end":
                    return seen
        return seen

    async def race() -> None:
        async with lf.connect_async(postgres_url, registry=registry) as store:
            following = asyncio.ensure_future(follow(store))
            written = await asyncio.gather(*(write(number, postgres_url, store) for number in range(WRITERS)))
            await store.append("Thing-end", [Counted(0)])
            async with asyncio.timeout(30):
                seen = await following
            everything = [one.position async for one in store.read_all()]
            assert seen == everything
            assert len(seen) == sum(written) + 1 > 300

    asyncio.run(race())
