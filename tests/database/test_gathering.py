"""Batches of several callers: none is lost, none waits for ever, however a caller ends."""

from __future__ import annotations

import asyncio
import dis
import random
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

import pytest

from leftfold.doors import blocking_batcher as gathering
from leftfold.doors.blocking_batcher import BlockingBatcher
from leftfold.doors.step import step
from leftfold.doors.tasks_batcher import TaskBatcher

PATIENCE = 20.0
INTERRUPTIBLE = {"CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD", "RESUME"}
"""After these CPython looks whether a thread is to be interrupted, and after no others."""


class Three:
    """Room for three."""

    def __init__(self) -> None:
        self._count = 0

    def admits(self, item: str) -> bool:
        self._count += 1
        return self._count <= 3


class Sender:
    """Answers in capitals; the first batch not before it is ``released``; ``fails`` on batches with several items."""

    def __init__(self, *, fails: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.released = threading.Event()
        self._fails = fails

    async def send(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        assert self.released.wait(PATIENCE)
        if self._fails and len(items) > 1:
            raise ConnectionError(f"lost with {len(items)}")
        return [item.upper() for item in items]


class Caller(threading.Thread):
    """Submits one item in a thread, in which an interrupt is raised at the ``point``-th opportunity."""

    def __init__(self, line: BlockingBatcher[str, str], item: str, point: int | None = None) -> None:
        super().__init__(daemon=True)
        self.item = item
        self.point = point
        self.passed = 0
        self.outcome: str | None = None
        self.error: BaseException | None = None
        self._line = line
        self._last = ""

    def run(self) -> None:
        if self.point is not None:
            sys.settrace(self._trace)
        try:
            self.outcome = step(self._line.submit(self.item))
        except BaseException as error:
            self.error = error
        finally:
            sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if frame.f_code.co_filename != gathering.__file__:
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "opcode":
            last, self._last = self._last, dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if last in INTERRUPTIBLE:
                self.passed += 1
                if self.passed == self.point:
                    raise KeyboardInterrupt
        return self._step


class Counted(deque[Any]):
    """A queue that knows how many have come. (It may be no longer than before, when another has been interrupted.)"""

    come = 0

    def append(self, entry: Any) -> None:
        super().append(entry)
        self.come += 1


def start_in_order(line: BlockingBatcher[str, str], batches: list[list[str]], callers: Iterable[Caller]) -> None:
    """Each sends, queues or has ended before the next begins."""
    line._queue = queue = Counted(line._queue)
    for caller in callers:
        before = (queue.come, len(batches))
        caller.start()
        wait_until(lambda: not caller.is_alive() or before != (queue.come, len(batches)))  # noqa: B023


def run_in_order(line: BlockingBatcher[str, str], sender: Sender, callers: list[Caller]) -> None:
    """The first to send is held until the others queue behind it, in order."""
    start_in_order(line, sender.batches, callers)
    sender.released.set()
    for caller in callers:
        caller.join(PATIENCE)
        assert not caller.is_alive(), f"{caller.item} waits for ever"


def queued(line: BlockingBatcher[str, str]) -> int:
    return len(line._queue)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def test_threads_that_come_meanwhile_go_together_as_far_as_there_is_room() -> None:
    sender = Sender()
    line = BlockingBatcher(sender.send, Three, 1)
    callers = [Caller(line, item) for item in "abcdef"]
    run_in_order(line, sender, callers)
    assert [caller.outcome for caller in callers] == list("ABCDEF")
    assert sender.batches == [["a"], ["b", "c", "d"], ["e", "f"]]


def test_what_a_batch_fails_with_is_raised_to_each_of_its_callers() -> None:
    sender = Sender(fails=True)
    line = BlockingBatcher(sender.send, Three, 1)
    callers = [Caller(line, item) for item in "abcd"]
    run_in_order(line, sender, callers)
    assert callers[0].outcome == "A"
    errors = [caller.error for caller in callers[1:]]
    assert [str(error) for error in errors] == ["lost with 3"] * 3
    assert len({id(error) for error in errors}) == 3


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "victim", range(4), ids=["who sends alone", "who sends for others", "who waits", "who hands on the line"]
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_thread_that_is_interrupted_at_any_point_harms_nobody_else(victim: int, fails: bool) -> None:
    point = 1
    while True:
        sender = Sender(fails=fails)
        line = BlockingBatcher(sender.send, Three, 1)
        callers = [Caller(line, item, point if number == victim else None) for number, item in enumerate("abcd")]
        run_in_order(line, sender, callers)
        late = Caller(line, "z")
        late.start()
        late.join(PATIENCE)
        assert late.outcome == "Z", f"the line is lost: {point}"
        assert (line._free, queued(line)) == (1, 0), point
        others = [caller for number, caller in enumerate(callers) if number != victim]
        assert all(
            caller.outcome == caller.item.upper() or isinstance(caller.error, ConnectionError) for caller in others
        ), point
        if callers[victim].passed < point:
            assert point > 5 or sys.version_info >= (3, 12)  # whose tracing shows fewer
            return
        assert isinstance(callers[victim].error, KeyboardInterrupt)
        point += 1


class Contended:
    """A mutex: after whoever is interrupted inside it, it is the turn of ``others``."""

    def __init__(self, others: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._others = others

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._lock.release()
        if kind is KeyboardInterrupt:
            self._others()


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_two_leaders_never_share_a_follower_though_one_is_interrupted(answered: bool) -> None:
    """``x`` takes those who queue, or has even answered them, before ``c``, the other leader, leaves."""
    point = 1
    while interrupt_one_of_two_leaders(point, answered) >= point:
        point += 1
    assert point > 5 or sys.version_info >= (3, 12)  # whose tracing shows fewer


def interrupt_one_of_two_leaders(point: int, answered: bool) -> int:
    """How many opportunities to be interrupted ``c`` has had."""
    held = {item: threading.Event() for item in "abxcde"}
    going = threading.Event()
    batches: list[list[str]] = []

    async def send(items: Sequence[str]) -> list[str]:
        batches.append(list(items))
        assert held[items[0]].wait(PATIENCE)
        return [item.upper() for item in items]

    class Room(Three):
        def __init__(self) -> None:
            super().__init__()
            if threading.current_thread() is callers["x"]:
                assert going.wait(PATIENCE)

    def x_leads() -> bool:
        return bool(line._queue) and line._queue[0].leads

    def has_sent(item: str) -> bool:
        return any(item == batch[0] for batch in batches)

    def let_x_go() -> None:
        if not x_leads():
            return
        going.set()
        wait_until(lambda: has_sent("x"))
        if answered:
            held["x"].set()
            for item in batches[-1]:
                callers[item].join(PATIENCE)

    line = BlockingBatcher(send, Room, 2)
    line._mutex = Contended(let_x_go)  # type: ignore[assignment]
    callers = {item: Caller(line, item, point if item == "c" else None) for item in "abxcde"}
    start_in_order(line, batches, callers.values())
    held["a"].set()
    wait_until(x_leads)
    held["b"].set()
    wait_until(lambda: has_sent("c") or not callers["c"].is_alive())
    going.set()
    for event in held.values():
        event.set()
    for item, caller in callers.items():
        caller.join(PATIENCE)
        assert not caller.is_alive(), f"{item} waits for ever: {point}"
        assert item == "c" or caller.outcome == item.upper(), point
    assert (line._free, queued(line)) == (2, 0), point
    return callers["c"].passed


def test_tasks_that_are_cancelled_at_any_moment_harm_nobody_else() -> None:
    async def cancel(seed: int) -> None:
        chance = random.Random(seed)
        sent: list[str] = []

        async def send(items: Sequence[str]) -> list[str]:
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            sent.extend(items)
            return [item.upper() for item in items]

        line = TaskBatcher(send, Three, 2)
        tasks = []
        for number in range(60):
            tasks.append(asyncio.create_task(line.submit(f"item {number}")))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert await line.submit("late") == "LATE"
        for number, outcome in enumerate(outcomes):
            assert outcome == f"ITEM {number}" or isinstance(outcome, asyncio.CancelledError)
        assert len(set(sent)) == len(sent)
        assert line._free == 2

    for seed in range(100):
        asyncio.run(cancel(seed))


def test_a_task_that_is_cancelled_before_it_is_sent_for_is_not_sent_for() -> None:
    async def cancel() -> None:
        begun, released = asyncio.Event(), asyncio.Event()
        batches: list[list[str]] = []

        async def send(items: Sequence[str]) -> list[str]:
            batches.append(list(items))
            begun.set()
            await released.wait()
            return [item.upper() for item in items]

        line = TaskBatcher(send, Three, 1)
        first, second, third, fourth = [asyncio.create_task(line.submit(item)) for item in "abcd"]
        await begun.wait()
        third.cancel()
        released.set()
        assert list(await asyncio.gather(first, second, fourth)) == ["A", "B", "D"]
        assert batches == [["a"], ["b", "d"]]

    asyncio.run(cancel())


def test_the_main_thread_hands_on_no_line_because_a_signal_may_hold_it_up() -> None:
    """A handler that waits for another thread's item must not wait for its own thread to hand on the line."""
    sender = Sender()
    line = BlockingBatcher(sender.send, Three, 1)
    outcomes: list[str | None] = []

    def handle(*_: object) -> None:
        sender.released.set()
        wait_until(lambda: not any(caller.is_alive() for caller in callers))
        late = Caller(line, "z")
        late.start()
        late.join(PATIENCE)
        outcomes.append(late.outcome)

    def interrupt() -> None:
        wait_until(lambda: queued(line) == 2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    callers = [Caller(line, item) for item in "ab"]
    former = signal.signal(signal.SIGUSR1, handle)
    try:
        start_in_order(line, sender.batches, callers)
        threading.Thread(target=interrupt).start()
        assert step(line.submit("c")) == "C"
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert sender.batches == [["a"], ["b", "c"], ["z"]]
    assert outcomes == ["Z"]
