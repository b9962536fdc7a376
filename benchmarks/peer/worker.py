"""What is measured of the peer, through the ways its documentation recommends and with its safe defaults."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from itertools import count, islice
from queue import Queue
from threading import Thread
from time import perf_counter, sleep
from uuid import UUID, uuid4

import psycopg
from eventsourcing.domain import datetime_now_with_tzinfo
from eventsourcing.projection import ProjectionRunner

from benchmarks.peer.bank import AccountSummaries, AccountSummary, Bank, BankAccount, environment
from benchmarks.peer.decisions import append_on_condition, decide, fill_courses
from benchmarks.serving import serve
from benchmarks.timing import (
    PATIENCE,
    PAUSE,
    Act,
    calls_for,
    calls_per_second,
    calls_per_second_of_processes,
    calls_per_second_of_threads,
    seconds_taken,
)

AMOUNT = Decimal("12.50")
PAGE = 5000


def about() -> str:
    """What is measured, with its versions."""
    implementation = f"psycopg {version('psycopg')} ({psycopg.pq.__impl__})"
    return f"eventsourcing {version('eventsourcing')}, {implementation}, SQLite {sqlite3.sqlite_version}"


def append(url: str, callers: int, seconds: float) -> float:
    """Appends a second: one deposit each, put into the application's event store (mapped to JSON and recorded)."""
    with Bank(env=environment(url)) as bank:
        return _measured([_putting(bank) for _ in range(callers)], seconds)


def append_from_processes(url: str, callers: int, seconds: float) -> float:
    """The same from processes, each with an application of its own."""
    with Bank(env=environment(url)):
        return calls_per_second_of_processes(_contend, url, callers, seconds)


def _contend(url: str, seconds: float, wait: Callable[[], object]) -> int:
    # The tables are there. Several processes that make sure of it at once fail with "tuple concurrently updated".
    with Bank(env={**environment(url), "CREATE_TABLE": "no"}) as bank:
        put = _putting(bank)
        put()
        wait()
        return calls_for(put, seconds)


def deliver(url: str, times: int) -> float:
    """Seconds from the end of an append until another application's subscription hands the event out; the median."""
    with Bank(env=environment(url)) as bank, Bank(env=environment(url)) as other:
        delivered = Queue[float]()
        subscription = other.recorder.subscribe(gt=0)

        def follow() -> None:
            with subscription:
                for _ in subscription:
                    delivered.put(perf_counter())

        following = Thread(target=follow)
        following.start()
        put, took = _putting(bank), list[float]()
        put()
        delivered.get(timeout=PATIENCE)
        for _ in range(times):
            sleep(PAUSE)
            put()
            appended = perf_counter()
            took.append(max(0.0, delivered.get(timeout=PATIENCE) - appended))
        subscription.stop()
        following.join()
        return statistics.median(took)


def save(url: str, callers: int, seconds: float) -> float:
    """Saves a second: an account in memory takes a deposit and is saved."""
    with Bank(env=environment(url)) as bank:
        return _measured([_saving(bank) for _ in range(callers)], seconds)


def _measured(acts: list[Act], seconds: float) -> float:
    return calls_per_second(acts[0], seconds) if len(acts) == 1 else calls_per_second_of_threads(acts, seconds)


def _putting(bank: Bank) -> Act:
    account_id, versions = uuid4(), count(1)

    def put() -> None:
        bank.events.put([_deposit(account_id, next(versions))])

    return put


def _saving(bank: Bank) -> Act:
    account = BankAccount("Ann")
    bank.save(account)

    def save() -> None:
        account.deposit(AMOUNT)
        bank.save(account)

    return save


def _deposit(account_id: UUID, version: int) -> BankAccount.MoneyDeposited:
    return BankAccount.MoneyDeposited(
        originator_id=account_id, originator_version=version, timestamp=datetime_now_with_tzinfo(), amount=AMOUNT
    )


def seed(url: str, accounts: int, events: int, long: int) -> str:
    """Fill a database: ``events`` over ``accounts`` in turn, and one account with ``long`` events; the id of that."""
    with Bank(env=environment(url)) as bank:
        opened = [BankAccount("Ann") for _ in range(accounts)]
        new = (event for account in opened for event in account.collect_events())
        while page := list(islice(new, 1000)):
            bank.events.put(page)
        deposits = (_deposit(opened[n % accounts].id, 2 + n // accounts) for n in range(events - accounts))
        while page := list(islice(deposits, 1000)):
            bank.events.put(page)
        account = BankAccount("Bob")
        for _ in range(long - 1):
            account.deposit(AMOUNT)
        bank.save(account)
        return str(account.id)


def load(url: str, account: str, times: int) -> float:
    """Seconds to load the long account from its events."""
    with Bank(env=environment(url)) as bank:
        bank.repository.get(UUID(account))
        return statistics.median(seconds_taken(lambda: bank.repository.get(UUID(account))) for _ in range(times))


def read(url: str) -> float:
    """Events a second: the whole log, in pages, each event made an object."""
    with Bank(env=environment(url)) as bank:
        events, last = 0, 0
        started = perf_counter()
        while page := bank.recorder.select_notifications(last, PAGE, inclusive_of_start=False):
            for notification in page:
                bank.mapper.to_domain_event(notification)
            events += len(page)
            last = page[-1].id
        return events / (perf_counter() - started)


def project(url: str, events: int) -> float:
    """Events a second: a projection runner with a view in a table works off the first events of the log."""
    AccountSummary.count_to(events)
    with ProjectionRunner(
        application_class=Bank, projection_class=AccountSummary, view_class=AccountSummaries, env=environment(url)
    ) as runner:
        while not AccountSummary.enough.wait(0.5):
            runner.run_forever(timeout=0.01)  # raises what the runner's thread met
        return events / (AccountSummary.finished_at - AccountSummary.started_at)


if __name__ == "__main__":
    serve(
        {
            "about": about,
            "append": append,
            "append_from_processes": append_from_processes,
            "append_on_condition": append_on_condition,
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
