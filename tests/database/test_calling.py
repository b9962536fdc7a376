"""Calls straight through libpq, on connections kept beside the pool: what they carry, and what they survive."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import leftfold as lf
from leftfold.database.protocol import Row, Statement
from leftfold.database.url import PostgresqlUrl, parse_url
from leftfold.log.postgresql.parameters import _texts
from leftfold.testing.conformance.door import DoorKind, open_door
from leftfold.testing.conformance.facts import counted, registry
from tests.database.sessions import OWN, assert_that_all_go

AWKWARD = ["", "NULL", "null", "{}", ',"', "\\", "\\n", "\n", "\t\r\b\f", '\\"', "\x7f", "\u2028", "ü\U0001f600", " a "]
texts = st.lists(st.none() | st.sampled_from(AWKWARD) | st.text(st.characters(exclude_characters="\0", codec="utf-8")))


def conninfo(url: str) -> str:
    place = parse_url(url)
    assert isinstance(place, PostgresqlUrl)
    return place.conninfo


def test_an_array_of_texts_arrives_as_it_was_sent(postgres_url: str) -> None:
    with psycopg.connect(conninfo(postgres_url)) as connection:

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
        @given(sent=texts, nested=st.lists(st.lists(st.sampled_from(AWKWARD), max_size=3), max_size=4))
        def check(sent: list[str | None], nested: list[list[str]]) -> None:
            assert connection.execute("SELECT %s::text[]", (_texts(sent),)).fetchone() == (sent,)
            rows = connection.execute("SELECT u::text[] FROM unnest(%s::text[]) u", (_texts(map(_texts, nested)),))
            assert [row for (row,) in rows] == nested

        check()


def test_text_that_the_server_cannot_take_is_refused_and_never_cut_short(postgres_url: str) -> None:
    with lf.connect(postgres_url, registry=registry) as store:
        for text in ("Thing-\0a", "Thing-a\0"):
            with pytest.raises(lf.InvalidArgument):
                store.append(text, counted(1))
        store.append("Thing-a", [lf.RawEvent("raw", b'{"text":\n"\\u0000 and \\u00e9"}')])
        [recorded] = store.read("Thing-a")
        assert recorded.data == b'{"text":\n"\\u0000 and \\u00e9"}'


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_append_is_prepared_again_after_everything_was_deallocated(postgres_url: str, kind: DoorKind) -> None:
    async def check() -> None:
        async with open_door(postgres_url, kind, registry=registry) as store:
            for turn in range(1, 4):
                assert (await store.append("Thing-a", counted(1, turn))).version == turn
                [kept] = store._store._log.database._kept.idle  # type: ignore[attr-defined]
                await kept.execute("DEALLOCATE ALL")

    asyncio.run(check())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_kept_connection_that_has_died_costs_nobody_an_append(postgres_url: str, kind: DoorKind) -> None:
    async def check(other: psycopg.Connection) -> None:
        async with open_door(postgres_url, kind, registry=registry) as store:
            for turn in range(1, 6):
                result = await store.append("Thing-a", counted(1, turn))
                assert result == lf.AppendResult(turn, result.position)
                other.execute(f"SELECT pg_terminate_backend(pid) FROM ({OWN}) own")

    with psycopg.connect(conninfo(postgres_url), autocommit=True) as other:
        asyncio.run(check(other))


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("size", [1, 2, 4, 5, 10])
def test_a_store_keeps_some_for_itself_and_lets_go_of_all(postgres_url: str, kind: DoorKind, size: int) -> None:
    """However small the pool: nobody waits for a connection that somebody keeps."""

    async def check() -> None:
        async with open_door(f"{postgres_url}&pool_size={size}", kind, registry=registry) as store:
            async with asyncio.timeout(20):
                for turn in range(1, 11):
                    await store.append("Thing-a", counted(1, turn))
                    assert len(await store.read("Thing-a")) == turn
                    await store.append_all([lf.Write("Thing-b", counted(1, turn))])

    asyncio.run(check())
    assert_that_all_go(conninfo(postgres_url))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_pipeline_that_fails_leaves_nothing_behind_for_the_next(postgres_url: str, kind: DoorKind) -> None:
    """psycopg takes for prepared what stands behind a statement that has failed, and the server has skipped it."""
    dividing, skipped = Statement("SELECT 1 / %s::int", (0,)), Statement("SELECT %s::int + 1", (1,))

    async def check() -> None:
        async with open_door(f"{postgres_url}&pool_size=1", kind, registry=registry) as store:
            database = store._store._log.database  # type: ignore[attr-defined]

            async def ask(statement: Statement) -> list[list[Row]]:
                async with database.pooled() as connection:
                    rows: list[list[Row]] = await connection.execute_all([statement, skipped])
                return rows

            assert await ask(skipped) == [[(2,)], [(2,)]]
            for _ in range(6):  # it prepares what it has seen five times
                with pytest.raises(psycopg.errors.DivisionByZero):
                    await ask(dividing)
            assert await ask(skipped) == [[(2,)], [(2,)]]

    asyncio.run(check())
