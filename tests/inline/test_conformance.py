"""With inline projections the log keeps every promise that it keeps without, and their rows are always exact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

import leftfold as lf
from leftfold.testing.conformance.appends import AppendChecks
from leftfold.testing.conformance.decisions import DecisionRaceChecks
from leftfold.testing.conformance.door import Connect, open_door
from leftfold.testing.conformance.facts import registry
from leftfold.testing.conformance.races import RaceChecks
from tests.inline.models import ALL, assert_exact
from tests.joining.test_conformance import joined


class TestInline(AppendChecks, RaceChecks, DecisionRaceChecks):
    @pytest.fixture
    def connect(self, store_url: str) -> Iterator[Connect]:
        yield partial(open_door, store_url, "async", registry=registry, inline=ALL)
        check(store_url)


class TestInlineFromThreads(RaceChecks):
    @pytest.fixture
    def connect(self, store_url: str) -> Iterator[Connect]:
        yield partial(open_door, store_url, "sync", registry=registry, inline=ALL)
        check(store_url)


class TestInlineInTransactions(AppendChecks):
    @pytest.fixture
    def connect(self, store_url: str) -> Iterator[Connect]:
        yield partial(joined, store_url, inline=ALL)
        check(store_url)


def check(url: str) -> None:
    with lf.connect(url, registry=registry) as store:
        if any(store.read_all(limit=1)):
            assert_exact(store)
