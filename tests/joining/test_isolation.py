"""PostgreSQL at REPEATABLE READ and SERIALIZABLE: plain appends are judged right, and the rest is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

import leftfold as lf
from leftfold.testing.conformance.facts import Counted, counted, registry
from tests.joining.kinds import conninfo

FIXED = [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]


@pytest.fixture
def store(postgres_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(postgres_url, registry=registry) as store:
        yield store


@pytest.fixture(params=FIXED, ids=lambda level: level.name)
def held(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transactions have a fixed snapshot."""
    with psycopg.connect(conninfo(postgres_url)) as connection:
        connection.isolation_level = request.param
        yield connection
        connection.rollback()


def numbers(store: lf.EventStore, stream: str) -> list[int]:
    return [one.event.number for one in store.read(stream)]


def take_snapshot(held: psycopg.Connection[Any]) -> None:
    held.execute("SELECT count(*) FROM pg_class")


def test_a_plain_append_is_stored(store: lf.EventStore, held: psycopg.Connection[Any]) -> None:
    tx = store.using(held)
    assert tx.append("Thing-a", counted(2), expected=lf.NO_STREAM).version == 2
    assert tx.append_all([lf.Write("Thing-a", counted(1, 3), 2), lf.Write("Thing-b", counted(1))])[0].version == 3
    with pytest.raises(lf.ConcurrencyError):
        tx.append("Thing-a", counted(1), expected=1)
    assert [one.event.number for one in tx.read("Thing-a")] == [1, 2, 3]
    held.commit()
    assert numbers(store, "Thing-a") == [1, 2, 3]


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx: tx.head(),
        lambda tx: list(tx.read_all()),
        lambda tx: tx.decision(lf.Query.ALL),
        lambda tx: tx.append("Thing-a", counted(1), condition=lf.AppendCondition(lf.Query.ALL)),
        lambda tx: tx.append_all([lf.Write("Thing-a", counted(1))], condition=lf.AppendCondition(lf.Query.ALL)),
    ],
    ids=["head", "read_all", "decision", "condition", "conditions"],
)
def test_what_a_fixed_snapshot_cannot_keep_is_refused_and_the_transaction_goes_on(
    store: lf.EventStore, held: psycopg.Connection[Any], ask: Callable[[lf.Transaction], Any]
) -> None:
    tx = store.using(held)
    with pytest.raises(lf.NotSupported, match=r"READ COMMITTED"):
        ask(tx)
    tx.append("Thing-a", [Counted(1)])
    held.commit()
    assert numbers(store, "Thing-a") == [1]


@pytest.mark.parametrize("expected", [lf.ANY_VERSION, lf.NO_STREAM])
def test_what_the_snapshot_does_not_show_is_a_conflict_of_the_transaction(
    store: lf.EventStore, held: psycopg.Connection[Any], expected: int
) -> None:
    take_snapshot(held)
    store.append("Thing-a", [Counted(1)])
    with pytest.raises(lf.TransactionConflict, match="run all of it again"):
        store.using(held).append("Thing-a", [Counted(2)], expected=expected)
    held.rollback()
    assert numbers(store, "Thing-a") == [1]
    if expected == lf.ANY_VERSION:  # and again, as told
        store.using(held).append("Thing-a", [Counted(2)], expected=expected)
        held.commit()
        assert numbers(store, "Thing-a") == [1, 2]


def test_an_expectation_of_what_the_snapshot_does_not_show_is_refused(
    store: lf.EventStore, held: psycopg.Connection[Any]
) -> None:
    store.append("Thing-a", [Counted(1)])
    take_snapshot(held)
    store.append("Thing-a", [Counted(2)])
    with pytest.raises(lf.ConcurrencyError):
        store.using(held).append("Thing-a", [Counted(3)], expected=2)
    with pytest.raises(lf.TransactionConflict):
        store.using(held).append("Thing-a", [Counted(3)], expected=1)
    held.rollback()
    assert numbers(store, "Thing-a") == [1, 2]


def test_a_repetition_that_the_snapshot_does_not_show_is_found_by_a_new_one(
    store: lf.EventStore, held: psycopg.Connection[Any]
) -> None:
    events = counted(2)
    take_snapshot(held)
    first = store.append("Thing-a", events)
    with pytest.raises(lf.TransactionConflict):
        store.using(held).append("Thing-a", events)
    held.rollback()
    again = store.using(held).append("Thing-a", events)
    assert (again.version, again.position, again.duplicate) == (first.version, first.position, True)


def test_the_permission_ends_with_the_append(store: lf.EventStore, held: psycopg.Connection[Any]) -> None:
    """What lets an append work in a fixed snapshot does not stay behind in the transaction."""
    store.using(held).append("Thing-a", [Counted(1)])
    assert held.execute("SELECT current_setting('leftfold.joined', true)").fetchone() == ("",)


def test_a_serialization_failure_comes_out_in_words(store: lf.EventStore, postgres_url: str) -> None:
    table = store._log.database.table("notes")
    with (
        psycopg.connect(conninfo(postgres_url)) as one,
        psycopg.connect(conninfo(postgres_url)) as other,
    ):
        one.execute(f"CREATE TABLE {table} (n int)")
        one.execute(f"INSERT INTO {table} VALUES (1)")
        one.commit()
        one.isolation_level = other.isolation_level = IsolationLevel.REPEATABLE_READ
        take_snapshot(one)
        other.execute(f"UPDATE {table} SET n = n + 1")
        other.commit()
        with pytest.raises(lf.TransactionConflict, match="could not serialize"):
            store.using(one).execute(f"UPDATE {table} SET n = n + 1")
        one.rollback()
