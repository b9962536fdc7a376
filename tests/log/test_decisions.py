"""What a decision rests on is complete, whatever writers do meanwhile."""

from __future__ import annotations

import asyncio

import psycopg

import leftfold as lf
from leftfold.database.url import PostgresqlUrl, parse_url
from leftfold.testing.conformance.facts import registry, tagged

HOLD_BACK = "SELECT pg_advisory_lock_shared({schema}.horizon_space_v1(), 2)"


def test_a_late_writer_that_holds_the_horizon_back_again_takes_nothing_from_a_decision(postgres_url: str) -> None:
    """It has read the sequence's last value, 2, before others wrote, and takes its lock when they are done."""

    async def check() -> None:
        url = parse_url(postgres_url)
        assert isinstance(url, PostgresqlUrl)
        async with (
            lf.connect_async(postgres_url, registry=registry) as store,
            await psycopg.AsyncConnection.connect(url.conninfo, autocommit=True) as late,
        ):
            for number in range(1, 7):
                await store.append(f"Course-{number}", tagged("seat:1"))
            head = store._log.head

            async def then_be_late() -> int:
                position = await head()
                await late.execute(HOLD_BACK.format(schema=url.schema).encode())
                return position

            store._log.head = then_be_late  # type: ignore[method-assign]
            decision = await store.decision(lf.Query.of(tags=["seat:1"]))
            assert await head() == 2, "it is held back"
            assert [one.position for one in decision.events] == [1, 2, 3, 4, 5, 6]
            assert (decision.condition.after, list(decision.condition.seen)) == (6, [])

    asyncio.run(check())
