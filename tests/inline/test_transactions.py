"""Inline projections inside transactions of the user's: rows commit with the appends, or roll back with them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry
from tests.inline.models import BAD, Tally, assert_exact, shares, stored, strict_tallies
from tests.joining.kinds import conninfo, path

SET: list[Any] = [strict_tallies, shares]


@pytest.fixture
def inline(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, registry=registry, inline=SET) as store:
        yield store


def table(store: lf.EventStore) -> str:
    schema = store._log.database.schema
    return f"{schema}.tally" if schema else "tally"


def test_the_transaction_sees_its_rows_and_others_see_them_when_it_commits(
    inline: lf.EventStore, looking: lf.EventStore
) -> None:
    with inline.transaction() as tx:
        tx.append("Thing-a", counted(2))
        tx.append_all([lf.Write("Thing-a", counted(1, 3)), lf.Write("Thing-b", counted(1))])
        assert tx.execute(f"SELECT events, total FROM {table(inline)} WHERE stream_id = 'a'") == [(3, 6)]
        assert stored(looking, Tally) == {}
    assert stored(looking, Tally) == {"a": Tally("a", 3, 6, 3), "b": Tally("b", 1, 1, 1)}
    assert_exact(looking, SET)


def test_a_rollback_takes_the_rows_with_it(inline: lf.EventStore, looking: lf.EventStore) -> None:
    inline.append("Thing-a", counted(1))
    with suppress(ZeroDivisionError), inline.transaction() as tx:
        tx.append("Thing-a", counted(1))
        raise ZeroDivisionError
    with inline.transaction() as tx:
        tx.append("Thing-b", counted(1))
        with suppress(ZeroDivisionError), tx.savepoint():
            tx.append("Thing-a", counted(1))
            raise ZeroDivisionError
    assert {key: row.events for key, row in stored(looking, Tally).items()} == {"a": 1, "b": 1}
    assert_exact(looking, SET)


def test_a_refusal_undoes_its_append_alone_and_the_transaction_goes_on(
    inline: lf.EventStore, looking: lf.EventStore
) -> None:
    with inline.transaction() as tx:
        tx.append("Thing-a", counted(1))
        with pytest.raises(lf.ProcessorFailed, match="unlucky"):
            tx.append("Thing-a", counted(1, BAD))
        with pytest.raises(lf.ProcessorFailed, match="unlucky"):
            tx.append_all([lf.Write("Thing-b", counted(1)), lf.Write("Thing-c", counted(1, BAD))])
        assert tx.append("Thing-a", counted(1, 2), expected=1).version == 2
        with pytest.raises(lf.ConcurrencyError):
            tx.append("Thing-a", counted(1, 2), expected=1)
    assert stored(looking, Tally) == {"a": Tally("a", 2, 3, 2)}
    assert_exact(looking, SET)


def test_on_a_connection_of_the_user_rows_commit_with_tables_of_their_own(
    inline: lf.EventStore, looking: lf.EventStore, store_url: str
) -> None:
    held: Any = (
        sqlite3.connect(path(store_url)) if store_url.startswith("sqlite") else psycopg.connect(conninfo(store_url))
    )
    mine = f"mine_{abs(hash(store_url))}"
    held.execute(f"CREATE TABLE {mine} (a int)")
    held.commit()
    tx = inline.using(held)
    tx.append("Thing-a", counted(2))
    held.execute(f"INSERT INTO {mine} VALUES (1)")
    held.rollback()
    assert stored(looking, Tally) == {}
    tx = inline.using(held)
    tx.append("Thing-a", counted(2))
    held.execute(f"INSERT INTO {mine} VALUES (1)")
    with pytest.raises(lf.ProcessorFailed, match="unlucky"):
        tx.append("Thing-a", counted(1, BAD))
    held.commit()
    assert held.execute(f"SELECT count(*) FROM {mine}").fetchone()[0] == 1
    held.close()
    assert_exact(looking, SET)


@pytest.mark.exhaustive
def test_many_transactions_at_once_leave_exact_rows(inline: lf.EventStore, store_url: str) -> None:
    """Each waits for those that hold its rows, in whatever order; the victims of a deadlock are told, and go again."""

    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry, inline=SET) as store:

            async def write(number: int) -> None:
                for turn in range(3):
                    while True:
                        try:
                            async with store.transaction() as tx:
                                await tx.append(f"Thing-{number % 3}", counted(1, turn))
                                await tx.append(f"Thing-{number % 2}x", counted(2, number))
                        except lf.TransactionConflict:
                            continue
                        break

            async with asyncio.timeout(120):
                await asyncio.gather(*map(write, range(8)))

    asyncio.run(check())
    assert len(list(inline.read_all())) == 8 * 3 * 3
    assert_exact(inline, SET)
