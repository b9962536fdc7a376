"""``python -m tests.read.racing URL FIRST COUNT``: workers that die and sleep between any two steps, and a judge.

For each seed a fresh store, three workers in processes of their own, and a fate for each: after so many steps at the
database it kills itself (SIGKILL) or stops itself (SIGSTOP), before or after that step. A keeper bears again who has
died, and wakes who sleeps, often long after its lease has run out, so that it believes to hold what is another's.
Events are appended meanwhile, and again and again rows and checkpoints are read in one snapshot: every row must be the
fold of the log up to its partition's checkpoint.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from decimal import Decimal
from typing import Any, Generic, Never, TypeVar

import psycopg

import leftfold as lf
from leftfold.database.protocol import Connection, Database, Statement
from leftfold.database.statements import execute_each
from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url
from leftfold.log.buckets import bucket_of
from leftfold.log.contract import Log
from tests.read.bank import CATEGORY, Balance, Closed, Deposited, Opened, balances, stream
from tests.read.mutant import without

Kind = TypeVar("Kind")

LEASE = 0.3
WORKERS = 3
ACCOUNTS = 12
PAGE = 7
ROUNDS = 5
DEADLINE = 30.0


class Fate:
    """What happens to a worker at one of its steps: nothing, or a signal to itself."""

    def __init__(self, step: int, number: signal.Signals | None) -> None:
        self._left = step
        self._signal = number

    def step(self) -> None:
        self._left -= 1
        if self._left == 0 and self._signal is not None:
            os.kill(os.getpid(), self._signal)


class FatefulConnection:
    """A connection each of whose statements is a step, and so is what follows it."""

    def __init__(self, connection: Connection, fate: Fate) -> None:
        self._connection = connection
        self._fate = fate

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._fate.step()
        rows = await self._connection.execute(sql, parameters)
        self._fate.step()
        return rows

    async def execute_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._fate.step()
        await self._connection.execute_many(sql, parameters)
        self._fate.step()

    async def execute_all(self, statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
        return await execute_each(self, statements)


class FatefulDatabase:
    """A database whose statements, and whose transactions' beginnings and ends, are steps."""

    def __init__(self, database: Database, fate: Fate) -> None:
        self._database = database
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[FatefulConnection]:
        async with self._database.connection() as connection:
            yield FatefulConnection(connection, self._fate)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[FatefulConnection]:
        async with self._database.transaction() as connection:
            self._fate.step()
            yield FatefulConnection(connection, self._fate)
            self._fate.step()
        self._fate.step()


class Keeper(Generic[Kind]):
    """A process that has no connections of its own, and bears, wakes and counts others until it is told to end.

    ``bear(kind, rng, mortal)`` forks one and tells its process id; who has died is borne again as the same kind.
    """

    def __init__(self, seed: int, kinds: Sequence[Kind], bear: Callable[[Kind, random.Random, bool], int]) -> None:
        orders, self._orders = os.pipe()
        self._counts, counts = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._orders)
            os.set_blocking(orders, False)
            _keep(kinds, bear, random.Random(seed), orders, counts)
        os.close(orders)
        os.close(counts)

    def let_live(self) -> None:
        """Who is born from now on has no fate."""
        os.write(self._orders, b"live")

    def end(self) -> Counter[str]:
        """Kill what is left; how often who had been killed and stopped, and who had ended with an error."""
        os.write(self._orders, b"end!")
        with os.fdopen(self._counts) as counts:
            told = counts.read()
        os.close(self._orders)
        os.waitpid(self._pid, 0)
        killed, stopped, ended = map(int, told.split())
        return Counter(killed=killed, stopped=stopped, ended=ended)


def _keep(
    kinds: Sequence[Kind],
    bear: Callable[[Kind, random.Random, bool], int],
    rng: random.Random,
    orders: int,
    counts: int,
) -> Never:
    killed = stopped = ended = 0
    mortal = True
    asleep: dict[int, float] = {}
    living = {bear(kind, rng, mortal): kind for kind in kinds}
    while True:
        with suppress(BlockingIOError):
            order = os.read(orders, 4)
            if order == b"live":
                mortal = False
            else:
                break
        for pid, until in list(asleep.items()):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGCONT)
                del asleep[pid]
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            time.sleep(0.005)
        elif os.WIFSTOPPED(status):
            stopped += 1
            asleep[pid] = time.monotonic() + LEASE * rng.uniform(0.5, 2.5)
        else:
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                killed += 1
            else:
                ended += 1
            kind = living.pop(pid)
            living[bear(kind, rng, mortal)] = kind
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.write(counts, f"{killed} {stopped} {ended}".encode())
    os._exit(0)


def bear(url: str, rng: random.Random, mortal: bool) -> int:
    """A worker in a process of its own."""
    end = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]) if mortal else None
    fate = Fate(int(rng.expovariate(1 / 50)) + 1, end)
    if (pid := os.fork()) == 0:
        work(url, fate)
    return pid


def work(url: str, fate: Fate) -> Never:
    """A worker's life."""
    try:
        with lf.connect(url, migrate="never") as store:
            database: Any = FatefulDatabase(store._log.database, fate)
            store._log.database = database
            lf.types.Projector(store._log, [balances], database=database, page_events=PAGE, lease_seconds=LEASE).run()
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(3)


def race(url: str, seed: int) -> Counter[str]:
    """One run; AssertionError if a row is ever wrong."""
    rng = random.Random(seed)
    with lf.connect(url) as store:
        history = History(rng)
        history.append(store, 40)
        lf.types.Projector(store._log, [balances]).reset("balances")
    keeper = Keeper(seed, [url] * WORKERS, bear)  # while this process has no connections
    counts: Counter[str] = Counter()
    try:
        with lf.connect(url) as store:
            for _ in range(ROUNDS):
                history.append(store, rng.randrange(1, 12))
                time.sleep(0.04)
                counts["snapshots"] += 1
                counts["rows"] += judge(url, store._log)
            keeper.let_live()
            until = time.monotonic() + DEADLINE
            while lowest(url) < store.head():
                time.sleep(0.01)
                assert time.monotonic() < until, f"seed {seed}: never caught up"
            counts["rows"] += judge(url, store._log)
    finally:
        deaths = keeper.end()
        assert not deaths["ended"], f"{deaths['ended']} workers have ended by themselves"
    return counts + deaths


class History:
    """Events of accounts that are opened, closed, and opened again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._open: set[str] = set()

    def append(self, store: lf.EventStore, events: int) -> None:
        for _ in range(events):
            account = f"acc-{self._rng.randrange(ACCOUNTS)}"
            event: Any = Deposited(amount=Decimal(self._rng.randrange(1, 1000)))
            if account not in self._open:
                self._open.add(account)
                event = Opened(owner=account)
            elif self._rng.random() < 0.1:
                self._open.remove(account)
                event = Closed()
            store.append(stream(account), [event])


def judge(url: str, log: Log) -> int:
    """How many rows there are, each as the log up to its partition's checkpoint makes it."""
    rows, parts = snapshot(url)
    covered = sorted(bucket for first, last, _ in parts for bucket in range(first, last + 1))
    assert covered == list(range(64)), f"partitions {parts}"
    expected: dict[str, tuple[Any, ...]] = {}
    folded: dict[str, Balance] = {}
    head = max(position for _, _, position in parts)
    for recorded in lf.EventStore(log).read_all(lf.Query.of(category=CATEGORY), until=head):
        bucket = bucket_of([recorded.stream_id])
        if recorded.position <= next(position for first, last, position in parts if first <= bucket <= last):
            row = balances(folded.pop(recorded.stream_id, None), recorded)
            if isinstance(row, Balance):
                folded[recorded.stream_id] = row
    expected = {key: (row.owner, row.amount, row.deposits) for key, row in folded.items()}
    assert rows == expected, f"checkpoints {parts}\nfound    {rows}\nexpected {expected}"
    return len(rows)


def snapshot(url: str) -> tuple[dict[str, tuple[Any, ...]], list[tuple[int, int, int]]]:
    """Rows and checkpoints at one moment, read by plain SQL."""
    place = parse_url(url)
    if isinstance(place, SqliteUrl):
        with closing(sqlite3.connect(str(place.path), timeout=10, isolation_level=None)) as raw:
            raw.execute("BEGIN")
            parts = raw.execute("SELECT first, last, position FROM leftfold_partitions").fetchall()
            found = raw.execute("SELECT account_id, owner, amount, deposits FROM balance").fetchall()
        return {key: (owner, Decimal(cents).scaleb(-4), deposits) for key, owner, cents, deposits in found}, parts
    assert isinstance(place, PostgresqlUrl)
    with psycopg.connect(place.conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"SET search_path TO {place.schema}")
        parts = connection.execute("SELECT first, last, position FROM partitions").fetchall()
        found = connection.execute("SELECT account_id, owner, amount, deposits FROM balance").fetchall()
    return {key: (owner, amount, deposits) for key, owner, amount, deposits in found}, parts


def lowest(url: str) -> int:
    return min(position for _, _, position in snapshot(url)[1])


def main() -> None:
    url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4:] == ["unfenced"]:  # a mutant of our own, to show that the judge would notice
        without("AND fence = :fence\n   AND position = :seen AND updated_at = :seen_at")
    counts: Counter[str] = Counter()
    for seed in range(first, first + count):
        here = f"{url}/race-{seed}.db" if url.startswith("sqlite") else f"{url}&schema=race_{seed}"
        counts += race(here, seed)
    print(f"{count} races:", ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())))


if __name__ == "__main__":
    main()
