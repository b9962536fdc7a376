"""Faults that need nothing but the trial's own workers and proxies, and how any fault is brought about.

A fault takes the stage and a source of chance, and does what its name says. Where needed, it undoes that after a while.
It returns what it hit, or None if there was nothing to hit just then.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from leftfold.testing.trial.record.history import SETTLED
from leftfold.testing.trial.stage.plan import Fault
from leftfold.testing.trial.stage.stage import Stage

Injection = Callable[[Stage, random.Random], str | None]


def inject(stage: Stage, fault: Fault) -> None:
    """Bring the fault about, and record the incident."""
    at = time.monotonic_ns()
    try:
        target = _injections()[fault.kind](stage, random.Random(fault.chance))
    except Exception as error:
        stage.troubles.append(f"the trial itself failed, at {fault.kind}: {type(error).__name__}: {error}")
        return
    if target is not None:
        stage.note(fault.kind, target, at)


def _injections() -> dict[str, Injection]:
    from leftfold.testing.trial.faults.sqlite import SQLITE_FAULTS

    found = {**WORKER_FAULTS, **PROXY_FAULTS, **SQLITE_FAULTS}
    try:
        from leftfold.testing.trial.faults.postgresql import POSTGRESQL_FAULTS
    except ImportError:  # psycopg is an extra; without it there is no PostgreSQL to disturb
        return found
    return {**found, **POSTGRESQL_FAULTS}


def kill_worker(stage: Stage, chance: random.Random) -> str | None:
    """SIGKILL, and after a while another process in its place."""
    hand = stage.any_hand(chance)
    with hand.turn:
        name = hand.name
        if not hand.hear("open", 0):  # it has hardly begun
            return None
        hand.kill()
        settle(stage, hand.slot, name)
        time.sleep(chance.uniform(0, 0.2))
        stage.start(hand)
    return name


def settle(stage: Stage, slot: int, name: str) -> None:
    """Wait until the store has nothing left of a dead worker, and write it down."""
    at = time.monotonic_ns()
    proxy = stage.proxies.pop(slot, None)
    if proxy is not None:
        proxy.close()
        from leftfold.testing.trial.faults.postgresql import wait_for_end_of_sessions

        if not wait_for_end_of_sessions(stage.url, proxy.all_ports):
            return
    elif stage.place.waits:
        return  # there is no telling which sessions were its own
    stage.note(SETTLED, name, at)


def pause_worker(stage: Stage, chance: random.Random) -> str | None:
    """SIGSTOP, wherever it is; SIGCONT after a while."""
    hand = stage.any_hand(chance)
    name = hand.name
    hand.send(signal.SIGSTOP)
    try:
        time.sleep(chance.uniform(0.1, 1.2))
    finally:
        hand.send(signal.SIGCONT)
    return name


def cut_request(stage: Stage, chance: random.Random) -> str | None:
    """Drop a connection in the middle of what is sent."""
    return _cut(stage, chance, "request")


def cut_reply(stage: Stage, chance: random.Random) -> str | None:
    """Drop a connection in the middle of an answer: the work is done, and the client never hears of it."""
    return _cut(stage, chance, "reply")


def _cut(stage: Stage, chance: random.Random, way: str) -> str | None:
    proxy = stage.any_proxy(chance)
    if proxy is None:
        return None
    after = chance.choice([0, 0, 1, chance.randrange(50), chance.randrange(2000)])
    proxy.cut_next("request" if way == "request" else "reply", after=after)
    return f"after {after} bytes"


def hold_traffic(stage: Stage, chance: random.Random) -> str | None:
    """Nothing passes for a while."""
    proxy = stage.any_proxy(chance)
    if proxy is None:
        return None
    seconds = chance.uniform(0.05, 0.8)
    proxy.hold(seconds)
    time.sleep(seconds)
    return f"{seconds:.2f} s"


WORKER_FAULTS: dict[str, Injection] = {"kill worker": kill_worker, "pause worker": pause_worker}
PROXY_FAULTS: dict[str, Injection] = {
    "cut request": cut_request,
    "cut reply": cut_reply,
    "hold traffic": hold_traffic,
}
