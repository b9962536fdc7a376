"""Followers of PostgreSQL in the worst weather: slow commits, rollbacks, several appends in one transaction, and a
transaction of somebody else's that stays open in another database of the cluster."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

import leftfold as lf
from leftfold.database.statements import statement
from leftfold.log.postgresql.parameters import append_parameters
from leftfold.testing.conformance.facts import an_append, counted, registry
from leftfold.testing.postgres import Postgres

WRITERS = 10
TRANSACTIONS = 60
DEADLINE = 120.0
DELIVERY_SECONDS = 2.0
"""As against as long as the foreign transaction stays open. How fast delivery is, the benchmark tells."""


@dataclass
class Race:
    """One run, and what is known of it."""

    url: str
    schema: str
    committed_at: dict[int, float] = field(default_factory=dict)
    writing: bool = True
    given_up: bool = False
    """A writer failed: the end will not come, and threads that wait for it stop."""

    async def write_all(self, numbers: Iterable[int]) -> None:
        """All these writers; the first error of any of them ends the race."""
        try:
            async with asyncio.timeout(DEADLINE), AsyncExitStack() as stack:
                connections = {}  # made before a writer can fail: psycopg leaves open what a cancelled connect() made
                for number in numbers:
                    made = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
                    connections[number] = await stack.enter_async_context(made)
                async with asyncio.TaskGroup() as writers:
                    for number, connection in connections.items():
                        writers.create_task(self.write(number, connection))
        except BaseException:
            self.given_up = True
            raise

    async def write(self, number: int, connection: psycopg.AsyncConnection[Any]) -> None:
        """Transactions of one to three appends, slow to commit, one in five rolled back."""
        chance = random.Random(number)
        sql = statement("leftfold.log.postgresql", "append", self.schema).encode()
        for turn in range(TRANSACTIONS):
            await connection.execute("BEGIN")
            positions: list[int] = []
            for part in range(chance.randint(1, 3)):
                append = an_append(f"Thing-{number}x{part}", counted(chance.randint(1, 3), turn))
                cursor = await connection.execute(sql, append_parameters([append], together=False))
                [(_, _, [last], _)] = await cursor.fetchall()
                positions.append(last)
                await asyncio.sleep(chance.uniform(0, 0.012))
            if chance.random() < 0.2:
                await connection.execute("ROLLBACK")
                continue
            await connection.execute("COMMIT")
            self.committed_at.update(dict.fromkeys(positions, time.monotonic()))

    async def follow(self, store: lf.AsyncEventStore, seen: dict[int, float], order: list[lf.RecordedEvent]) -> None:
        """As a subscriber does, noting when each event came."""
        subscription = store.subscribe()
        async for recorded in subscription:
            seen[recorded.position] = time.monotonic()
            order.append(recorded)
            if recorded.type == "end":
                subscription.close()

    def poll(self, order: list[lf.RecordedEvent]) -> None:
        """As a reader through the sync door does, over and over, from the last position that it saw."""
        with lf.connect(f"{self.url}", registry=registry) as store:
            deadline = time.monotonic() + DEADLINE
            while not self.given_up and (not order or order[-1].type != "end"):
                assert time.monotonic() < deadline, "the end of the log did not come"
                order.extend(store.read_all(after=order[-1].position if order else 0))
                time.sleep(0.005)

    async def follow_naively(self, seen: set[int]) -> None:
        """As followers do that remember the greatest position seen: what this race takes from them."""
        last = 0
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            while self.writing:
                cursor = await connection.execute(
                    f"SELECT position FROM {self.schema}.events WHERE position > %s ORDER BY position", (last,)
                )
                for (position,) in await cursor.fetchall():
                    seen.add(position)
                    last = position
                await asyncio.sleep(0.002)


@pytest.mark.alone
def test_nothing_is_missed_or_doubled_or_late_and_a_naive_follower_loses_events(
    postgres: Postgres, record_property: object
) -> None:
    url, elsewhere = postgres.create_database(), postgres.create_database()
    race = Race(url, "leftfold")
    seen: dict[int, float] = {}
    followed: list[lf.RecordedEvent] = []
    polled: list[lf.RecordedEvent] = []
    naive: set[int] = set()

    async def run() -> list[lf.RecordedEvent]:
        async with (
            await psycopg.AsyncConnection.connect(elsewhere) as foreign,
            lf.connect_async(url, registry=registry) as store,
        ):
            await foreign.execute("CREATE TABLE held_open AS SELECT pg_current_xact_id()")
            following = asyncio.ensure_future(race.follow(store, seen, followed))
            polling = asyncio.to_thread(race.poll, polled)
            naively = asyncio.ensure_future(race.follow_naively(naive))
            polling_task = asyncio.ensure_future(polling)
            await race.write_all(range(WRITERS))
            race.writing = False
            await store.append("Thing-end", [lf.RawEvent("end", b"{}")])
            async with asyncio.timeout(30):
                await asyncio.gather(following, polling_task, naively)
            return [recorded async for recorded in store.read_all()]

    everything = asyncio.run(run())
    assert followed == everything
    assert polled == everything
    assert set(race.committed_at) <= set(seen)
    positions = {one.position for one in everything if one.type != "end"}
    lost = positions - naive
    assert lost, "the race must take events from a naive follower, else it shows nothing"
    slowest = max(seen[position] - at for position, at in race.committed_at.items())
    print(
        f"\n{len(everything)} events, 0 missed, 0 doubled; slowest delivery {1000 * slowest:.0f} ms; "
        f"a naive follower lost {len(lost)}"
    )
    assert slowest < DELIVERY_SECONDS


def test_an_error_of_a_writer_ends_the_race(postgres: Postgres) -> None:
    """Threads that wait for the end of the log would hide it until the time of the whole test is over."""
    race = Race(postgres.create_database(), "no_such_schema")

    async def run() -> None:
        polling = asyncio.ensure_future(asyncio.to_thread(race.poll, []))
        try:
            await race.write_all(range(2))
        finally:
            await polling

    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(run())
    assert failed.group_contains(psycopg.errors.InvalidSchemaName)
