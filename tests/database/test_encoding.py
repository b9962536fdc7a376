"""What is stored is UTF-8, whatever the environment of a process says."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import Paid, registry

NOTES = ["café", "日本", "😀"]


@pytest.fixture(autouse=True)
def another_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")


def test_events_come_back_as_they_went(postgres_url: str) -> None:
    with lf.connect(postgres_url, registry=registry) as store:
        store.append("Thing-é", [Paid(Decimal(1), note=note) for note in NOTES])
        assert [recorded.event.note for recorded in store.read("Thing-é")] == NOTES
        assert [recorded.stream for recorded in store.read_all()] == ["Thing-é"] * 3


def test_events_come_back_as_they_went_through_the_async_door(postgres_url: str) -> None:
    async def go() -> None:
        async with lf.connect_async(postgres_url, registry=registry) as store:
            await store.append("Thing-é", [Paid(Decimal(1), note=note) for note in NOTES])
            assert [recorded.event.note async for recorded in store.read("Thing-é")] == NOTES

    asyncio.run(go())
