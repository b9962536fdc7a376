"""From asynchronous to inline and back: every event counts once, whoever appends, projects and switches meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

import leftfold as lf
from leftfold.events import RecordedEvent
from leftfold.log.inline import inline_set
from leftfold.read.apply.keyed import KeyedMaintainer
from leftfold.read.projection.keyed import Projection
from leftfold.testing.conformance.facts import counted, registry
from tests.inline.models import ALL, BAD, Tally, assert_exact, number_of, shares, stored, strict_tallies, tallies

SWITCHED: list[Projection[Any]] = [tallies, shares]


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url, registry=registry) as store:
        yield store


def test_there_and_back_no_event_is_lost_or_doubled(store: lf.EventStore, store_url: str) -> None:
    projector = store.projector(ALL)
    store.append("Thing-a", counted(3))
    for turn in range(3):
        for one in ALL:
            projector.switch(one.name, to="inline")
            projector.switch(one.name, to="inline")  # it is already
        assert_exact(store)
        with lf.connect(store_url, registry=registry, inline=ALL) as inline:
            inline.append("Thing-a", counted(2, turn))
            inline.append("Thing-b", counted(1))
            assert_exact(store)
            assert [one.events for one in projector.catch_up()] == [0, 0, 0]
            for one in ALL:
                projector.switch(one.name, to="background")
                projector.switch(one.name, to="background")
            with pytest.raises(lf.errors.ProcessorOutdated, match="maintains inline nothing"):
                inline.append("Thing-a", counted(1))
        store.append("Thing-a", counted(1))
        assert [one.events for one in projector.catch_up()] == [1, 1, 1]
        assert_exact(store)


def test_a_page_that_was_being_applied_at_the_switch_is_not_applied(
    store: lf.EventStore, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read and folded before; its checkpoint is not there any more when it is to be written."""
    store.append("Thing-a", counted(5))
    prepare = KeyedMaintainer.prepare

    async def switched_behind_it(self: KeyedMaintainer, events: Sequence[RecordedEvent]) -> Any:
        change = await prepare(self, events)
        monkeypatch.setattr(KeyedMaintainer, "prepare", prepare)
        with lf.connect(store_url, registry=registry) as other:
            other.projector([tallies]).switch("tallies", to="inline")
        with lf.connect(store_url, registry=registry, inline=[tallies]) as inline:
            inline.append("Thing-a", counted(2))
        return change

    monkeypatch.setattr(KeyedMaintainer, "prepare", switched_behind_it)
    [done] = store.projector([tallies]).catch_up()
    assert (done.events, done.position) == (0, 5), "it is at the head as of when it began"
    assert_exact(store, [tallies])


def test_a_projection_that_cannot_be_brought_to_the_head_stays_as_it_is(store: lf.EventStore) -> None:
    store.append("Thing-a", [*counted(2), *counted(1, BAD), *counted(2)])
    projector = store.projector([strict_tallies])
    with pytest.raises(lf.ProcessorFailed, match="unlucky"):
        projector.switch("tallies", to="inline")
    store.append("Thing-b", counted(1))
    assert stored(store, Tally) == {"a": Tally("a", 2, 3, 2)}
    [status] = store.processors.status()
    assert status.state == "failing"
    store.processors.skip("tallies", position=3, why="unlucky")
    projector.switch("tallies", to="inline")
    assert stored(store, Tally) == {"a": Tally("a", 4, 6, 5), "b": Tally("b", 1, 1, 1)}


def test_rows_that_are_behind_because_events_are_set_aside_cannot_be_inline(store: lf.EventStore) -> None:
    fails = [True]

    @lf.projection(Tally, category="Thing", on=["conformance.counted"], name="tallies", on_failure="park")
    def parking(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
        if number_of(recorded) == BAD and fails[0]:
            raise ValueError("unlucky")
        return tallies(row, recorded)  # type: ignore[return-value]

    store.append("Thing-a", counted(1, BAD))
    projector = store.projector([parking])
    with pytest.raises(lf.InvalidState, match=r"events of 1 keys .* are parked.*unpark\('tallies'\)"):
        projector.switch("tallies", to="inline")
    fails[0] = False
    store.processors.unpark("tallies", why="it is lucky now")
    projector.switch("tallies", to="inline")
    assert_exact(store, [tallies])


def test_another_version_takes_over_through_asynchronous(store: lf.EventStore, store_url: str) -> None:
    store.append("Thing-a", counted(2))
    store.projector([tallies]).switch("tallies", to="inline")

    @lf.projection(Tally, category="Thing", on=["conformance.counted"], name="tallies", version=2)
    def twice(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
        return (row or Tally(recorded.stream_id)).replace(events=2 * recorded.version)

    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"maintains inline tallies \(version 1\).*with tallies \(version 2\)"
    ):
        lf.connect(store_url, registry=registry, inline=[twice])
    projector = store.projector([twice])
    with pytest.raises(lf.errors.ProcessorOutdated, match="version 1"):
        projector.switch("tallies", to="inline")
    projector.switch("tallies", to="background")
    projector.reset("tallies")
    projector.switch("tallies", to="inline")
    with lf.connect(store_url, registry=registry, inline=[twice]) as inline:
        inline.append("Thing-a", counted(1))
        assert stored(inline, Tally) == {"a": Tally("a", events=6)}


def test_a_switch_does_not_wait_for_ever_for_an_append(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on SQLite, whose writers wait for each other so long and no longer."""
    monkeypatch.setattr(inline_set, "PATIENCE", 0.1)
    with lf.connect(postgres_url, registry=registry) as store, lf.connect(postgres_url, registry=registry) as other:
        with other.transaction() as tx:
            tx.append("Thing-a", counted(1))
            with pytest.raises(lf.StoreUnavailable, match="lock_timeout"):
                store.projector([tallies]).switch("tallies", to="inline")
        store.projector([tallies]).switch("tallies", to="inline")
        assert_exact(store, [tallies])


def test_a_projection_that_is_not_the_projectors_is_not_switched(store: lf.EventStore) -> None:
    with pytest.raises(lf.InvalidArgument, match="no projection 'days' here"):
        store.projector([tallies]).switch("days", to="inline")
    with pytest.raises(lf.InvalidArgument, match="no projection 'days' in this database"):
        store.projector([tallies]).switch("days", to="background")


@contextmanager
def threads(*works: Callable[[], None]) -> Iterator[None]:
    """Runs each in a thread until the block ends; what one raises is raised."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    started = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in started:
        thread.start()
    yield
    for thread in started:
        thread.join(120)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.mark.exhaustive
def test_switching_while_writers_append_and_a_worker_runs(store: lf.EventStore, store_url: str) -> None:
    """Writers that are refused connect anew with what is recorded then, and go on."""
    ended = threading.Event()
    written = [0] * 4

    def write(number: int) -> None:
        while not ended.is_set():
            inline = [one for one in SWITCHED if states()[one.name] == "inline"]
            try:
                with lf.connect(store_url, registry=registry, inline=inline) as writer:
                    while not ended.is_set():
                        writer.append(f"Thing-{written[number] % 3}", counted(1, written[number]))
                        written[number] += 1
            except lf.errors.ProcessorOutdated:
                continue

    def states() -> dict[str, str]:
        return {one.name: one.state for one in store.processors.status()}

    with lf.connect(store_url, registry=registry) as other:
        projector = other.projector(SWITCHED, lease_seconds=0.5)
        switcher = store.projector(SWITCHED)
        switcher.catch_up()
        with threads(projector.run, *[lambda number=number: write(number) for number in range(len(written))]):
            try:
                for turn in range(8):
                    name = SWITCHED[turn % 2].name
                    seen = sum(written)
                    switcher.switch(name, to="background" if states()[name] == "inline" else "inline")
                    while sum(written) < seen + 20:
                        ended.wait(0.002)
            finally:
                ended.set()
                projector.stop()
    store.projector(SWITCHED).catch_up()
    assert len(list(store.read_all())) == sum(written) > 8 * 20
    assert_exact(store, SWITCHED)
