"""A connection that dies under an append: the caller gets the true outcome, and nothing is stored twice."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import DoorKind, open_door
from leftfold.testing.conformance.facts import counted, registry
from leftfold.testing.proxy import CuttingProxy, Way
from tests.inline.models import ALL, assert_exact


def through(proxy: CuttingProxy, url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("where", ["request", "reply"])
def test_an_append_whose_connection_is_cut_is_stored_exactly_once(
    postgres_url: str, kind: DoorKind, where: Way
) -> None:
    server = urlsplit(postgres_url)
    assert server.hostname
    assert server.port
    appends = 25

    async def check(proxy: CuttingProxy) -> None:
        chance = random.Random(3)
        async with open_door(through(proxy, postgres_url), kind, registry=registry) as store:
            for turn in range(1, appends + 1):
                if chance.random() < 0.6:
                    proxy.cut_next(where)
                result = await store.append("Thing-a", counted(2, turn), expected=2 * (turn - 1))
                assert result.version == 2 * turn
            assert proxy.cuts > appends // 3
            recorded = await store.read("Thing-a")
            assert [one.version for one in recorded] == list(range(1, 2 * appends + 1))
            assert [one.event.number for one in recorded[::2]] == list(range(1, appends + 1))

    with CuttingProxy(server.hostname, server.port) as proxy:
        asyncio.run(check(proxy))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_with_inline_projections_a_connection_may_be_cut_at_any_byte(postgres_url: str, kind: DoorKind) -> None:
    """Before, between and after the statements of the transaction, its COMMIT and the answer to that among them."""
    server = urlsplit(postgres_url)
    assert server.hostname
    assert server.port
    appends = 60

    async def check(proxy: CuttingProxy) -> None:
        chance = random.Random(5)
        async with open_door(through(proxy, postgres_url), kind, registry=registry, inline=ALL) as store:
            for turn in range(1, appends + 1):
                if chance.random() < 0.6:
                    proxy.cut_next(chance.choice(["request", "reply"]), after=chance.randrange(2500))
                if turn % 3:
                    result = await store.append("Thing-a", counted(1, turn), expected=turn - 1)
                else:
                    writes = [lf.Write("Thing-a", counted(1, turn), turn - 1), lf.Write("Thing-b", counted(1, turn))]
                    [result, _] = await store.append_all(writes)
                assert result.version == turn
            proxy.heal()
            assert proxy.cuts > appends // 4
        with lf.connect(postgres_url, registry=registry) as looking:
            assert len(list(looking.read_all())) == appends + appends // 3
            assert_exact(looking)

    with CuttingProxy(server.hostname, server.port) as proxy:
        asyncio.run(check(proxy))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_several_streams_whose_reply_is_lost_are_stored_exactly_once(postgres_url: str, kind: DoorKind) -> None:
    server = urlsplit(postgres_url)
    assert server.hostname
    assert server.port

    async def check(proxy: CuttingProxy) -> None:
        async with open_door(through(proxy, postgres_url) + "&pool_size=1", kind, registry=registry) as store:
            await store.append_all([lf.Write("Thing-first", counted(1))])  # prepares it, in a round trip of its own
            proxy.cut_next("reply")
            results = await store.append_all([lf.Write(f"Thing-{name}", counted(1), lf.NO_STREAM) for name in "ab"])
            assert [result.duplicate for result in results] == [True, True]
            assert len(await store.read_all()) == 3
            assert proxy.cuts == 1

    with CuttingProxy(server.hostname, server.port) as proxy:
        asyncio.run(check(proxy))
