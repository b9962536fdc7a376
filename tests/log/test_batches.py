"""A batch is judged as its appends would be, one after the other, whichever way it is judged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import count

import pytest

import leftfold as lf
from leftfold.doors.step import step
from leftfold.log.append import BUSY, Append, Outcome
from leftfold.testing.conformance.facts import an_append, registry, tagged

BATCHES = 60
TAGS = 5
_turns = count()


@dataclass
class Model:
    """What is stored, as plain Python judges it."""

    versions: dict[str, int] = field(default_factory=dict)
    events: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    """Position and tags, in order."""

    def judged(self, append: Append) -> type:
        version = self.versions.get(append.stream, 0)
        if append.expected not in (lf.ANY_VERSION, version) and not (append.expected == lf.STREAM_EXISTS and version):
            return lf.ConcurrencyError
        return lf.ConditionFailed if self.failing(append) is not None else lf.AppendResult

    def failing(self, append: Append) -> int | None:
        if append.condition is None:
            return None
        criteria, after = append.condition.unless.criteria, append.condition.after
        return next(
            (place for place, tags in self.events if place > after and any(one.tags <= tags for one in criteria)), None
        )

    def store(self, append: Append, result: lf.AppendResult) -> None:
        self.versions[append.stream] = self.versions.get(append.stream, 0) + len(append.events)
        assert result.version == self.versions[append.stream]
        first = result.position - len(append.events) + 1
        self.events += [(first + at, frozenset(event.tags)) for at, event in enumerate(append.events)]
        assert self.events == sorted(self.events, key=lambda one: one[0]), "positions go up, from append to append"


def a_random_append(chance: random.Random, model: Model, turn: int, simple: bool) -> Append:
    stream = f"Thing-{turn}.{chance.randrange(30)}"
    tags = [f"{turn}:{number}" for number in range(TAGS)]
    events = [
        event
        for _ in range(1 if simple else chance.randrange(4))
        for event in tagged(*chance.sample(tags, chance.randrange(3)))
    ]
    version = model.versions.get(stream, 0)
    expected = chance.choice([lf.ANY_VERSION, lf.ANY_VERSION, version, version, version + 1, lf.STREAM_EXISTS])
    condition = None
    if chance.random() < 0.5:
        query = lf.Query.of(tags=chance.sample(tags, chance.randrange(1, 3)), registry=registry)
        if chance.random() < 0.5:
            query |= lf.Query.of(tags=[chance.choice(tags)], registry=registry)
        condition = lf.AppendCondition(query, chance.choice([0, model.events[-1][0] if model.events else 0]))
    return an_append(stream, events, expected, condition)


def check(outcome: Outcome, append: Append, model: Model) -> None:
    assert type(outcome) is model.judged(append), (outcome, append)
    if isinstance(outcome, lf.ConditionFailed):
        assert outcome.position == model.failing(append)
    elif isinstance(outcome, lf.ConcurrencyError):
        assert outcome.actual == model.versions.get(append.stream, 0)
    elif isinstance(outcome, lf.AppendResult) and append.events:
        model.store(append, outcome)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_batch_is_judged_as_one_append_after_the_other(store_url: str, seed: int) -> None:
    chance, as_a_whole = random.Random(seed), 0
    with lf.connect(store_url, registry=registry) as store:
        log = store._log
        for _ in range(BATCHES):
            turn, model = next(_turns), Model()
            for _ in range(3):
                simple = chance.random() < 0.7
                batch = [a_random_append(chance, model, turn, simple) for _ in range(chance.choice([2, 3, 8]))]
                if chance.random() < 0.5:  # as most are: to different streams, and no surprise among them
                    batch = [one for one in {one.stream: one for one in batch}.values() if fits(one, model)]
                batch.sort(key=lambda append: append.stream)
                outcomes = step(log.append_batch(batch, wait=False))
                as_a_whole += len(batch) > 1 and all(isinstance(one, lf.AppendResult) for one in outcomes)
                busy = []
                for outcome, append in zip(outcomes, batch, strict=True):
                    if outcome is BUSY:
                        assert append.condition is not None, "only a condition about others of the batch must wait"
                        busy.append(append)
                    else:
                        check(outcome, append, model)
                for append in busy:
                    [outcome] = step(log.append_batch([append], wait=False))
                    check(outcome, append, model)
            of_turn = [one for one in store.read_all() if one.stream.startswith(f"Thing-{turn}.")]
            assert [(one.position, frozenset(one.tags)) for one in of_turn] == model.events
            calls = [one.recorded_at for one in of_turn]
            assert calls == sorted(calls)
    assert as_a_whole > BATCHES // 2


def fits(append: Append, model: Model) -> bool:
    return model.judged(append) is lf.AppendResult


def test_conditions_are_judged_in_a_batch_however_many_keys_it_asks_for(store_url: str) -> None:
    """More than 500 on PostgreSQL, of which few enough are different for one batch."""
    seats = [*range(185), 5, 183]
    with lf.connect(store_url, registry=registry) as store:
        batch = [
            an_append(
                f"Course-{number:03}",
                tagged(f"seat:{seat}", "all"),
                condition=lf.AppendCondition(lf.Query.of(tags=[f"seat:{seat}"], registry=registry)),
            )
            for number, seat in enumerate(seats)
        ]
        outcomes = step(store._log.append_batch(batch))
        assert [type(one) for one in outcomes] == [lf.AppendResult] * 185 + [lf.ConditionFailed] * 2
        assert [one.position for one in outcomes[185:]] == [6, 184]  # type: ignore[union-attr]


def test_each_stream_of_a_batch_gets_its_own_next_version(store_url: str) -> None:
    """Whatever order the server's collation puts the names in."""
    names = ["b-1", "A-1", "ä-1", "a-1", "B-1", "_-1", "Z-1", "zz-1", "aZ-1"]
    with lf.connect(store_url, registry=registry) as store:
        for turn in range(1, 4):
            for count_of, name in enumerate(names):
                if turn == 1 and count_of:
                    store.append(f"Thing{name}", [event for _ in range(count_of) for event in tagged()])
            batch = [an_append(f"Thing{name}", tagged()) for name in names]
            results = step(store._log.append_batch(batch, wait=False))
            assert [one.version for one in results if isinstance(one, lf.AppendResult)] == [
                turn + count_of for count_of in range(len(names))
            ]


def test_a_name_of_a_class_of_its_own_is_a_name(store_url: str) -> None:
    class StreamId(str):
        __slots__ = ()

    with lf.connect(store_url, registry=registry) as store:
        assert store.append(StreamId("Thing-a"), [*tagged(StreamId("t")), *tagged()]).version == 2
        assert [one.tags for one in store.read("Thing-a")] == [("t",), ()]
