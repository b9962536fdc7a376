"""Appends on a condition travel in batches like others, and hold nobody up."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

import leftfold as lf
from leftfold.database.url import PostgresqlUrl, parse_url
from leftfold.testing.conformance.facts import counted, registry, tagged

PATIENCE = 30.0


def unless(*tags: str, after: int = 0) -> lf.AppendCondition:
    return lf.AppendCondition(lf.Query.of(tags=tags), after)


def test_conditions_about_different_things_are_flushed_together(postgres_url: str) -> None:
    async def check() -> None:
        async with lf.connect_async(postgres_url, registry=registry) as store:
            await asyncio.gather(
                *(
                    store.append(f"Course-{number}", tagged(f"seat:{number}"), condition=unless(f"seat:{number}"))
                    for number in range(100)
                )
            )

    asyncio.run(check())
    url = parse_url(postgres_url)
    assert isinstance(url, PostgresqlUrl)
    with psycopg.connect(url.conninfo) as connection:
        found = connection.execute(f"SELECT count(*), count(DISTINCT xmin::text) FROM {url.schema}.events").fetchone()
    assert found is not None
    events, transactions = found
    assert events == 100
    assert transactions <= 10


def test_a_condition_that_must_wait_holds_up_nobody_else(postgres_url: str) -> None:
    async def check() -> None:
        url = parse_url(postgres_url)
        assert isinstance(url, PostgresqlUrl)
        async with lf.connect_async(postgres_url, registry=registry) as store:
            async with await psycopg.AsyncConnection.connect(url.conninfo) as slow:
                open_one = await store.using(slow).append("Slow-1", tagged("seat:1"))
                waiting = asyncio.create_task(store.append("Course-1", tagged("seat:1"), condition=unless("seat:1")))
                async with asyncio.timeout(PATIENCE):
                    others = await asyncio.gather(
                        *(store.append(f"Plain-{number}", tagged("seat:0")) for number in range(10)),
                        *(store.append(f"Thing-{number}", counted(1)) for number in range(10)),
                        *(
                            store.append(f"Course-{seat}", tagged(f"seat:{seat}"), condition=unless(f"seat:{seat}"))
                            for seat in range(2, 12)
                        ),
                    )
                assert {one.version for one in others} == {1}
                assert not waiting.done()
                await slow.commit()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(lf.ConditionFailed) as failed:
                    await waiting
            assert failed.value.position == open_one.position

    asyncio.run(check())


def test_of_many_in_one_batch_that_claim_the_same_exactly_one_gets_it(store_url: str) -> None:
    async def check() -> None:
        async with lf.connect_async(store_url, registry=registry) as store:
            for turn in range(5):
                seat = f"seat:{turn}"
                outcomes = await asyncio.gather(
                    *(store.append(f"Course-{n}", tagged(seat), condition=unless(seat)) for n in range(40)),
                    *(store.append(f"Thing-{n}", counted(1)) for n in range(20)),
                    return_exceptions=True,
                )
                claims = outcomes[:40]
                [won] = [one for one in claims if isinstance(one, lf.AppendResult)]
                lost = [one for one in claims if isinstance(one, lf.ConditionFailed)]
                assert len(lost) == 39
                assert {one.position for one in lost} == {won.position}
                assert all(isinstance(one, lf.AppendResult) for one in outcomes[40:])

    asyncio.run(check())
