"""Append and read against a plain-Python model of a log, driven by hypothesis with awkward input."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import leftfold as lf

registry = lf.Registry()


class Anything(lf.Event, type="model.anything", registry=registry):
    value: Any


_characters = st.characters(codec="utf-8") | st.sampled_from("\0\u2028\U0010ffff\x7f\"\\'%?:{}")
_text = st.text(_characters, max_size=20)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63) - 1, 2**64, 2**200, -0.0, 1e308, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
    | st.sampled_from(["", {}, []])
    | st.just("x").map(lambda one: one * 2**20)
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4), max_leaves=8
)
_deep = st.integers(1, 150).map(lambda depth: _nested(depth))
_payloads = st.lists(_values | _deep, max_size=3)
_refused = st.sampled_from(["\ud800", "a\udfffb", float("nan"), float("-inf"), {"k": ("tuple",)}, {1: 2}, object()])
_streams = st.sampled_from(
    ["Thing-a", "Thing-A", "Thing-a-b", "Thing-ß%_\\'\"", "日本-語 \U0001f600", "a-" + "x" * 510]
)
_expected = st.sampled_from([lf.ANY_VERSION, lf.STREAM_EXISTS, lf.NO_STREAM, "right", "right", "wrong"])


def _nested(depth: int) -> list[Any]:
    return [_nested(depth - 1)] if depth else []


class LogMachine(RuleBasedStateMachine):
    """The model: a list of (stream, version, id, value), in the order of acknowledgement."""

    def __init__(self) -> None:
        super().__init__()
        self.store = lf.connect(type(self).fresh_url(), registry=registry)
        self.log: list[tuple[str, int, UUID, Any]] = []
        self.former: list[tuple[str, list[lf.NewEvent], lf.AppendResult]] = []

    @staticmethod
    def fresh_url() -> str:
        raise NotImplementedError

    def teardown(self) -> None:
        self.store.close()

    def version(self, stream: str) -> int:
        return sum(1 for one in self.log if one[0] == stream)

    def number(self, stream: str, expected: int | str) -> int:
        if isinstance(expected, int):
            return expected
        return self.version(stream) + (0 if expected == "right" else 1)

    def succeeds(self, stream: str, expected: int) -> bool:
        actual = self.version(stream)
        return expected in (lf.ANY_VERSION, actual) or (expected == lf.STREAM_EXISTS and actual > 0)

    def note(self, stream: str, events: list[lf.NewEvent]) -> None:
        for event in events:
            self.log.append((stream, self.version(stream) + 1, event.id, event.event.value))

    @rule(stream=_streams, payloads=_payloads, expected=_expected)
    def append(self, stream: str, payloads: list[Any], expected: int | str) -> None:
        events = [lf.NewEvent(Anything(value)) for value in payloads]
        demanded = self.number(stream, expected)
        if not self.succeeds(stream, demanded):
            with pytest.raises(lf.ConcurrencyError):
                self.store.append(stream, events, expected=demanded)
            return
        result = self.store.append(stream, events, expected=demanded)
        self.note(stream, events)
        assert (result.version, result.duplicate) == (self.version(stream), False)
        if events:
            self.former.append((stream, events, result))

    @rule(streams=st.lists(_streams, unique=True, max_size=3), payloads=_payloads, expected=_expected)
    def append_all(self, streams: list[str], payloads: list[Any], expected: int | str) -> None:
        writes = [
            lf.Write(name, [lf.NewEvent(Anything(value)) for value in payloads], self.number(name, expected))
            for name in streams
        ]
        if all(self.succeeds(write.stream, write.expected) for write in writes):
            results = self.store.append_all(writes)
            for write, result in zip(writes, results, strict=True):
                self.note(write.stream, list(write.events))
                assert result.version == self.version(write.stream)
        else:
            with pytest.raises(lf.ConcurrencyError):
                self.store.append_all(writes)

    @precondition(lambda self: self.former)
    @rule(choice=st.data(), expected=_expected)
    def repeat(self, choice: st.DataObject, expected: int | str) -> None:
        stream, events, result = choice.draw(st.sampled_from(self.former))
        again = self.store.append(stream, events, expected=self.number(stream, expected))
        assert again == lf.AppendResult(result.version, result.position, duplicate=True)

    @rule(stream=_streams, good=_payloads, bad=_refused)
    def refuse(self, stream: str, good: list[Any], bad: Any) -> None:
        with pytest.raises(lf.InvalidEvent) as refused:
            self.store.append(stream, [Anything(value) for value in [*good, bad]])
        assert "model.anything" in str(refused.value)

    @rule(stream=_streams, after=st.integers(0, 5), until=st.none() | st.integers(0, 8), backwards=st.booleans())
    def read_a_range(self, stream: str, after: int, until: int | None, backwards: bool) -> None:
        found = [one.event.value for one in self.store.read(stream, after=after, until=until, backwards=backwards)]
        wanted = [one[3] for one in self.log if one[0] == stream][after:until]
        assert found == (wanted[::-1] if backwards else wanted)

    @invariant()
    def the_log_is_the_model(self) -> None:
        everything = list(self.store.read_all())
        assert [(one.stream, one.version, one.id, one.event.value) for one in everything] == self.log
        assert repr([one.event.value for one in everything]) == repr([one[3] for one in self.log])
        positions = [one.position for one in everything]
        assert positions == sorted(set(positions))
        assert self.store.head() == (positions[-1] if positions else 0)


_numbers = count(1)


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.exhaustive)])
def test_the_log_behaves_as_a_list(backend: str, request: pytest.FixtureRequest) -> None:
    if backend == "sqlite":
        base = request.getfixturevalue("tmp_path")

        def fresh_url() -> str:
            return f"sqlite:///{base}/{next(_numbers)}.db"
    else:
        database = request.getfixturevalue("postgres_database")

        def fresh_url() -> str:
            return f"{database}?schema=model_{next(_numbers)}"

    machine = type("Machine", (LogMachine,), {"fresh_url": staticmethod(fresh_url)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
