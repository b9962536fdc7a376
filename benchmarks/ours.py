"""What is measured of leftfold, through its front doors and with its default settings."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from itertools import count
from queue import Queue
from threading import Thread
from time import perf_counter, sleep
from uuid import uuid4

import psycopg

import leftfold as lf
from benchmarks.bank import AccountOpened, BankAccount, MoneyDeposited, account_summary
from benchmarks.catch_up import catch_up, catch_up_with_workers
from benchmarks.decisions import (
    append_on_condition,
    append_on_condition_async,
    costs_of_condition,
    decide,
    fill_courses,
)
from benchmarks.serving import serve
from benchmarks.timing import (
    PATIENCE,
    PAUSE,
    Act,
    AsyncAct,
    calls_for,
    calls_per_second,
    calls_per_second_of_processes,
    calls_per_second_of_tasks,
    calls_per_second_of_threads,
    seconds_taken,
)

AMOUNT = Decimal("12.50")
LONG = "long"


def about() -> str:
    """What is measured, with its versions."""
    implementation = f"psycopg {version('psycopg')} ({psycopg.pq.__impl__})"
    return f"leftfold {version('leftfold')}, {implementation}, SQLite {sqlite3.sqlite_version}"


def append(url: str, callers: int, seconds: float) -> float:
    """Appends a second: one deposit each, at the version that its stream must have."""
    with lf.connect(url) as store:
        acts = [_appending(store) for _ in range(callers)]
        return calls_per_second(acts[0], seconds) if callers == 1 else calls_per_second_of_threads(acts, seconds)


def append_async(url: str, callers: int, seconds: float, *, inline: bool = False) -> float:
    """The same from asyncio tasks, through the async door; with a projection that is maintained inline."""

    async def run() -> float:
        async with lf.connect_async(url, inline=[account_summary] if inline else []) as store:
            return await calls_per_second_of_tasks([_appending_async(store) for _ in range(callers)], seconds)

    return asyncio.run(run())


def append_from_processes(url: str, callers: int, seconds: float) -> float:
    """The same from processes, each with a store of its own."""
    lf.connect(url).close()
    return calls_per_second_of_processes(_contend, url, callers, seconds)


def _contend(url: str, seconds: float, wait: Callable[[], object]) -> int:
    with lf.connect(url) as store:
        act = _appending(store)
        act()
        wait()
        return calls_for(act, seconds)


def deliver(url: str, times: int) -> float:
    """Seconds from the end of an append until another store's subscription hands the event out; the median."""
    with lf.connect(url) as store, lf.connect(url) as other, other.subscribe() as subscription:
        delivered = Queue[float]()

        def follow() -> None:
            for _ in subscription:
                delivered.put(perf_counter())

        following = Thread(target=follow)
        following.start()
        act, took = _appending(store), list[float]()
        act()
        delivered.get(timeout=PATIENCE)
        for _ in range(times):
            sleep(PAUSE)
            act()
            appended = perf_counter()
            took.append(max(0.0, delivered.get(timeout=PATIENCE) - appended))
        subscription.close()
        following.join()
        return statistics.median(took)


def save(url: str, callers: int, seconds: float) -> float:
    """Saves a second: an account in memory takes a deposit and is saved."""
    with lf.connect(url) as store:
        acts = [_saving(store) for _ in range(callers)]
        return calls_per_second(acts[0], seconds) if callers == 1 else calls_per_second_of_threads(acts, seconds)


def _appending(store: lf.EventStore) -> Act:
    stream, versions = f"BankAccount-{uuid4()}", count()

    def append() -> None:
        store.append(stream, [MoneyDeposited(amount=AMOUNT)], expected=next(versions))

    return append


def _appending_async(store: lf.AsyncEventStore) -> AsyncAct:
    stream, versions = f"BankAccount-{uuid4()}", count()

    async def append() -> None:
        version = next(versions)
        event = MoneyDeposited(amount=AMOUNT) if version else AccountOpened(owner="Ann")
        await store.append(stream, [event], expected=version)

    return append


def _saving(store: lf.EventStore) -> Act:
    accounts = store.repository(BankAccount)
    with accounts.create(str(uuid4())) as account:
        account.open("Ann")

    def save() -> None:
        account.deposit(AMOUNT)
        accounts.save(account)

    return save


def seed(url: str, accounts: int, events: int, long: int) -> str:
    """Fill a database: ``events`` over ``accounts`` in turn, and one account with ``long`` events; the id of that."""
    streams = [f"BankAccount-{uuid4()}" for _ in range(accounts)]
    with lf.connect(url) as store:
        for turn in range(events // accounts):
            event = MoneyDeposited(amount=AMOUNT) if turn else AccountOpened(owner="Ann")
            for start in range(0, accounts, 1000):
                store.append_all(lf.Write(stream, [event]) for stream in streams[start : start + 1000])
        store.append(f"BankAccount-{LONG}", [AccountOpened(owner="Bob"), *[MoneyDeposited(amount=AMOUNT)] * (long - 1)])
    return LONG


def load(url: str, account: str, times: int) -> float:
    """Seconds to load the long account from its events."""
    with lf.connect(url) as store:
        accounts = store.repository(BankAccount)
        accounts.get(account)
        return statistics.median(seconds_taken(lambda: accounts.get(account)) for _ in range(times))


def read(url: str) -> float:
    """Events a second: the whole log, each event made an object."""
    with lf.connect(url) as store:
        events, started = 0, perf_counter()
        for recorded in store.read_all():
            recorded.event  # noqa: B018 - decodes
            events += 1
        return events / (perf_counter() - started)


def project(url: str, events: int) -> float:
    """Events a second: a projection into a table catches up with the whole log, which has ``events``."""
    with lf.connect(url) as store:
        projector = store.projector([account_summary])
        started = perf_counter()
        [done] = projector.catch_up()
        took = perf_counter() - started
        if done.events != events:
            raise AssertionError(f"folded {done.events} events, expected {events}")
        return events / took


if __name__ == "__main__":
    serve(
        {
            "about": about,
            "append": append,
            "append_async": append_async,
            "append_from_processes": append_from_processes,
            "append_on_condition": append_on_condition,
            "append_on_condition_async": append_on_condition_async,
            "catch_up": catch_up,
            "catch_up_with_workers": catch_up_with_workers,
            "costs_of_condition": costs_of_condition,
            "decide": decide,
            "fill_courses": fill_courses,
            "deliver": deliver,
            "save": save,
            "seed": seed,
            "load": load,
            "read": read,
            "project": project,
        }
    )
