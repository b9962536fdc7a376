"""What is measured of leftfold's projections on a large log: of a rare type, of everything, and by several workers."""

from __future__ import annotations

import multiprocessing
from itertools import count
from threading import Thread
from time import perf_counter, process_time
from typing import Any

import leftfold as lf
from benchmarks.decisions import CATEGORY, PlaceReleased, StudentSubscribed
from benchmarks.timing import PATIENCE

SETTLED_SECONDS = 600.0
_used = count()
"""A new table for each measurement: the large log stays from round to round."""


class Counted(lf.ReadModel):
    """How many events a key has; each measurement makes a table of its own from it."""

    key: lf.Key[str]
    events: int = 0


def catch_up(url: str, events: int, *, rare: bool) -> float:
    """Seconds that a projection takes for the whole log: of its rare events, or of its common events."""
    with lf.connect(url) as store:
        projector = store.projector([_counted(next(_used), rare=rare)])
        started = perf_counter()
        [done] = projector.catch_up()
        took = perf_counter() - started
        _check(done.events, events)
        return took


def catch_up_with_workers(url: str, events: int, workers: int) -> float:
    """Events to a second of CPU time of the busiest of so many worker processes, until all is applied.

    That leaves out the server, which reads the log for each of them and shares the machine with them.
    """
    number = next(_used)
    context = multiprocessing.get_context("spawn")
    ready, done, spent = context.Barrier(workers + 1), context.Event(), context.Queue()
    processes = [context.Process(target=_work, args=(url, number, ready, done, spent)) for _ in range(workers)]
    with lf.connect(url) as store:
        projection = _counted(number)
        projector = store.projector([projection])
        for process in processes:
            process.start()
        try:
            ready.wait(PATIENCE)
            projector.drain(SETTLED_SECONDS)
        finally:
            done.set()
            for process in processes:
                process.join(PATIENCE)
        applied: int = sum(row.events for row in store.view(projection.model).find())
        _check(applied, events)
    busiest: float = max(spent.get(timeout=PATIENCE) for _ in processes)
    return applied / busiest


def _work(url: str, number: int, ready: Any, done: Any, spent: Any) -> None:
    with lf.connect(url) as store:
        projector = store.projector([_counted(number)])

        def end() -> None:
            done.wait()
            projector.stop()

        Thread(target=end, daemon=True).start()
        ready.wait(PATIENCE)
        before = process_time()
        projector.run()
        spent.put(process_time() - before)


def _counted(number: int, *, rare: bool = False) -> lf.Projection[Any]:
    """The rare events by course, or the common events by student; each student has a stream."""

    class Numbered(Counted, table=f"counted_{number}"):
        pass

    def course(recorded: lf.RecordedEvent) -> str:
        event: PlaceReleased = recorded.event
        return event.course

    @lf.projection(
        Numbered,
        name=f"counted_{number}",
        category=None if rare else CATEGORY,
        on=[PlaceReleased if rare else StudentSubscribed],
        key=course if rare else None,
    )
    def counted(row: Any, recorded: lf.RecordedEvent) -> Any:
        row = row or Numbered(key=course(recorded) if rare else recorded.stream_id)
        return row.replace(events=row.events + 1)

    return counted


def _check(applied: int, events: int) -> None:
    """At least these: what else is measured on the large log has left some more."""
    if applied < events:
        raise AssertionError(f"{applied} events were applied, expected {events}")
