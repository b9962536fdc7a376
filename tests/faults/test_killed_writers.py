"""kill -9 of a process in the middle of appending: every acknowledged event is there once, nothing is half there."""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

import leftfold as lf
from leftfold.testing.conformance.facts import registry
from tests.faults.appender import append_for_ever
from tests.inline.models import ALL, assert_exact
from tests.processes import Process

AT_ONCE = 5


@dataclass
class Killed:
    """What one process said before it died."""

    acknowledged: list[str] = field(default_factory=list)
    in_flight: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("inline", "kills", "seed"),
    [
        pytest.param(False, 10, 11, id="plain"),
        pytest.param(True, 5, 12, id="inline"),
        pytest.param(False, 40, 13, id="plain-more", marks=pytest.mark.exhaustive),
        pytest.param(True, 20, 14, id="inline-more", marks=pytest.mark.exhaustive),
    ],
)
def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_no_half(
    store_url: str, inline: bool, kills: int, seed: int
) -> None:
    lf.connect(store_url, registry=registry, inline=ALL if inline else []).close()
    chance = random.Random(seed)
    killed: list[Killed] = []
    while len(killed) < kills:
        with ExitStack() as stack:
            processes = [Process(append_for_ever, store_url, f"Thing-{number}", inline) for number in range(AT_ONCE)]
            killed += [_kill_in_the_middle(stack.enter_context(process), chance) for process in processes]
    in_flight = [one for one in killed if one.in_flight]
    print(f"\n{len(killed)} kills, {len(in_flight)} with an append in flight")
    assert len(in_flight) >= kills // 2

    with lf.connect(store_url, registry=registry) as store:
        stored = [str(recorded.id) for recorded in store.read_all()]
        assert len(set(stored)) == len(stored)
        for one in killed:
            assert set(one.acknowledged) <= set(stored)
            assert len(set(one.in_flight) & set(stored)) in (0, len(one.in_flight))
        for number in range(AT_ONCE):
            stream = list(store.read(f"Thing-{number}"))
            assert [recorded.version for recorded in stream] == list(range(1, len(stream) + 1))
            assert len(stream) % 3 == 0
        if inline:
            assert_exact(store)


def _kill_in_the_middle(process: Process, chance: random.Random) -> Killed:
    """Kill it while it appends, a moment of random length after it has said that it begins."""
    lines: list[str] = []
    for _ in range(chance.randint(4, 12)):
        lines.append(process.stdout.readline())
        assert lines[-1], "it is killed, it does not end by itself"
    while not lines[-1].startswith("begin"):
        lines.append(process.stdout.readline())
    time.sleep(chance.uniform(0, 0.0015))
    process.send(signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    return _understood(lines)


def _understood(lines: list[str]) -> Killed:
    found = Killed()
    for line in lines:
        what, *ids = line.split()
        if what == "begin":
            found.in_flight = ids[1:]
        else:
            found.acknowledged += found.in_flight
            found.in_flight = []
    return found
