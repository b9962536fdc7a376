"""What a condition finds is what `Query.matches` says in plain Python, on random logs and random queries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import leftfold as lf

EVENTS = 160
DAY = datetime(2026, 1, 1, tzinfo=UTC)
AWKWARD = 'quote"\\{}, %s :x NULL'
TYPES = ["a", "b", "c", AWKWARD, "never"]
TAGS = ["t:1", "t:2", "u:1", AWKWARD, "ü\U0001f600", "never"]
CATEGORIES = ["Thing", "Thin", "Things", "日本", "Never"]


@pytest.fixture
def filled(store_url: str) -> Iterator[lf.EventStore]:
    chance = random.Random(11)
    with lf.connect(store_url) as store:
        while store.head() < EVENTS:
            stream = f"{chance.choice(CATEGORIES[:-1])}-{chance.randrange(3)}"
            happened = [
                lf.NewEvent(
                    lf.RawEvent(chance.choice(TYPES[:-1]), b"{}"),
                    tags=chance.sample(TAGS[:-1], chance.randrange(4)),
                    occurred_at=DAY + timedelta(days=chance.randrange(20)) if chance.random() < 0.8 else None,
                )
                for _ in range(chance.randrange(1, 4))
            ]
            store.append(stream, happened)
        yield store


@st.composite
def criteria(draw: st.DrawFn, moments: list[datetime]) -> lf.Query:
    instant = st.none() | st.sampled_from(moments) | st.just(DAY + timedelta(days=7, microseconds=1))
    return lf.Query.of(
        *draw(st.lists(st.sampled_from(TYPES), max_size=3)),
        tags=draw(st.lists(st.sampled_from(TAGS), max_size=3)),
        category=draw(st.none() | st.sampled_from(CATEGORIES)),
        occurred=draw(st.none() | st.tuples(instant, instant)),
        recorded=draw(st.none() | st.tuples(instant, instant)),
    )


def test_a_condition_finds_what_its_query_matches(filled: lf.EventStore) -> None:
    everything = list(filled.read_all())
    moments = [one.recorded_at for one in everything[::20]] + [one.occurred_at for one in everything[::20]]

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        queries=st.lists(criteria(moments), min_size=1, max_size=3),
        after=st.just(0) | st.integers(0, EVENTS + 5) | st.just(2**63 - 1),
        share=st.sampled_from([0.0, 0.5, 1.0]),
        chance=st.randoms(use_true_random=False),
    )
    def compare(queries: list[lf.Query], after: int, share: float, chance: random.Random) -> None:
        query = queries[0]
        for other in queries[1:]:
            query |= other
        matching = [one for one in everything if query.matches(one)]
        seen = [one.position for one in matching if chance.random() < share]
        wanted = next((one.position for one in matching if one.position > after and one.position not in seen), None)
        condition = lf.AppendCondition(query, after, seen)
        if wanted is None:
            assert filled.append("Other-1", [], condition=condition) == lf.AppendResult(0, 0)
        else:
            with pytest.raises(lf.ConditionFailed) as failed:
                filled.append("Other-1", [], condition=condition)
            assert failed.value.position == wanted
        decision = filled.decision(query)
        assert list(decision.events) == matching
        assert filled.append("Other-1", [], condition=decision.condition) == lf.AppendResult(0, 0)

    compare()
