"""``python -m tests.read.rebuild_racing URL FIRST COUNT``: old and new code side by side, and everybody mortal.

For each seed a fresh store, and processes of three kinds: workers of version 1, workers of version 3, which has other
columns, and people who rebuild to version 3 and roll back to version 1, again and again. Each is killed or stopped at
some step, and born again or woken. Events are appended meanwhile, and again and again every generation's rows (live,
former, shadow) and checkpoints are read at one moment: every row must be the fold of the log, by that version, up to
its partition's checkpoint.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from decimal import Decimal
from typing import Any, Never

import psycopg

import leftfold as lf
from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url
from leftfold.log.buckets import bucket_of
from leftfold.log.contract import Log
from leftfold.read.model.table_names import SUFFIX
from tests.read.bank import CATEGORY, Balance, balances
from tests.read.mutant import without
from tests.read.racing import LEASE, PAGE, Fate, FatefulDatabase, History, Keeper
from tests.read.versions import Statement, statements

KINDS = ("old", "old", "new", "new", "people", "people")
ROUNDS = 10
STEPS = {"old": 120, "new": 120, "people": 300}
"""How many a life has, on average."""
CODE: dict[int, Any] = {1: balances, 3: statements}

Rows = dict[str, tuple[Any, ...]]
Parts = list[tuple[int, int, int]]
Generation = tuple[int, Rows, Parts]


def live_as(kind: str, url: str, fate: Fate, seed: int) -> Never:
    """One process's life."""
    rng = random.Random(seed)
    logging.disable()  # workers say again and again that their code does not fit
    try:
        with lf.connect(url, migrate="never") as store:
            database: Any = FatefulDatabase(store._log.database, fate)
            store._log.database = database
            code = CODE[1 if kind == "old" else 3]
            projector = lf.types.Projector(store._log, [code], database=database, page_events=PAGE, lease_seconds=LEASE)
            if kind == "people":
                decide(projector, rng)
            projector.run()
    except lf.StoreUnavailable as error:
        print(error, file=sys.stderr)
        if kind == "people":  # somebody who sleeps has been in the way for long, and they will do it again
            os.kill(os.getpid(), signal.SIGKILL)
    except BaseException:
        import traceback

        traceback.print_exc()
        print(state(url), file=sys.stderr, flush=True)
    os._exit(3)


def state(url: str) -> str:
    """What PostgreSQL holds now, for the report of a process that has ended by itself."""
    place = parse_url(url)
    if not isinstance(place, PostgresqlUrl):
        return ""
    with psycopg.connect(place.conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"SET search_path TO {place.schema}")
        asked = (
            "SELECT name, generation, version, role FROM projections",
            "SELECT generation, first, last, position, fence, owner FROM partitions",
            "SELECT c.oid, c.relname, array_agg(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            f"WHERE c.relname LIKE 'balance%' AND c.relnamespace = '{place.schema}'::regnamespace AND a.attnum > 0 "
            "AND c.relkind = 'r' GROUP BY 1, 2",
            "SELECT act, details, done_at FROM projection_acts ORDER BY id DESC LIMIT 6",
        )
        return "\n".join(f"{sql}\n    {connection.execute(sql).fetchall()}" for sql in asked)


def decide(projector: lf.types.Projector, rng: random.Random) -> Never:
    """Rebuild, roll back, drop and abandon; what others have been faster with is refused, and that is fine."""
    acts = (
        lambda: projector.rebuild("balances", parts=rng.choice((1, 2, 4)), compare=rng.random() < 0.3),
        lambda: projector.rebuild("balances", parts=1),
        lambda: projector.rebuild("balances", parts=2),
        lambda: projector.rebuild("balances", parts=2),
        lambda: projector.rebuild("balances", swap=False),
        lambda: projector.rollback("balances"),
        lambda: projector.rollback("balances"),
        lambda: projector.drop_former("balances"),
        lambda: projector.abandon("balances"),
    )
    while True:
        with suppress(lf.InvalidState, lf.errors.ProcessorOutdated, lf.NotSupported):
            rng.choice(acts)()
        time.sleep(rng.uniform(0, 0.03))


def bear(url: str, kind: str, rng: random.Random) -> int:
    """A process of that kind."""
    end = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP])
    fate = Fate(int(rng.expovariate(1 / STEPS[kind])) + 1, end)
    seed = rng.randrange(2**32)
    if (pid := os.fork()) == 0:
        live_as(kind, url, fate, seed)
    return pid


def race(url: str, seed: int) -> Counter[str]:
    """One run; AssertionError if a row is ever wrong."""
    rng = random.Random(seed)
    with lf.connect(url) as store:
        history = History(rng)
        history.append(store, 60)
        lf.types.Projector(store._log, [balances]).catch_up()
    keeper = Keeper(seed, KINDS, lambda kind, rng, _: bear(url, kind, rng))  # while this process has no connections
    counts: Counter[str] = Counter()
    try:
        with lf.connect(url) as store:
            for _ in range(ROUNDS):
                history.append(store, rng.randrange(1, 12))
                time.sleep(0.1)
                counts += judge(url, store._log)
    finally:
        deaths = keeper.end()
        assert deaths["ended"] == 0, f"{deaths['ended']} processes have ended by themselves"
    with lf.connect(url) as store:  # what is left is good to go on with
        lf.types.Projector(store._log, [statements], lease_seconds=LEASE).rebuild("balances", parts=2)
        counts += judge(url, store._log)
        rows, expected = store.view(Statement).find(), whole(store._log, 3)
        assert {row.account_id: kept(row) for row in rows} == expected
        lf.types.Projector(store._log, [statements]).rollback("balances")
        counts += judge(url, store._log)
        counts += Counter(act.act for act in store.processors.audit(limit=10_000))
    return counts + deaths


def judge(url: str, log: Log) -> Counter[str]:
    """Whether every generation's rows are what the log makes of them up to their checkpoints."""
    counts = Counter(snapshots=1)
    for role, (version, rows, parts) in snapshot(url).items():
        covered = sorted(bucket for first, last, _ in parts for bucket in range(first, last + 1))
        assert covered == list(range(64)), f"{role}: partitions {parts}"
        expected = fold(log, version, parts)
        assert rows == expected, f"{role}, version {version}, {parts}\nfound    {rows}\nexpected {expected}"
        counts["rows"] += len(rows)
    return counts


def fold(log: Log, version: int, parts: Parts) -> Rows:
    """As a plain fold makes them, each up to its partition's position."""
    code: Any = CODE[version]
    folded: dict[str, Any] = {}
    head = max(position for _, _, position in parts)
    for recorded in lf.EventStore(log).read_all(lf.Query.of(category=CATEGORY), until=head):
        bucket = bucket_of([recorded.stream_id])
        if recorded.position <= next(position for first, last, position in parts if first <= bucket <= last):
            row = code(folded.pop(recorded.stream_id, None), recorded)
            if isinstance(row, Balance | Statement):
                folded[recorded.stream_id] = row
    return {key: kept(row) for key, row in folded.items()}


def whole(log: Log, version: int) -> Rows:
    return fold(log, version, [(0, 63, 2**62)])


def kept(row: Balance | Statement) -> tuple[Any, ...]:
    """What is compared of a row."""
    return row.owner, row.amount, row.deposits if isinstance(row, Balance) else row.entries


_GENERATIONS = "SELECT role, version, generation FROM {projections}"
_PARTS = "SELECT first, last, position FROM {partitions} WHERE generation = {generation} ORDER BY first"
_ROWS = "SELECT account_id, owner, amount, {count} FROM balance{suffix}"


def snapshot(url: str) -> dict[str, Generation]:
    """Every generation's version, rows and checkpoints at one moment, read by plain SQL."""
    place = parse_url(url)
    if isinstance(place, SqliteUrl):
        with closing(sqlite3.connect(str(place.path), timeout=10, isolation_level=None)) as raw:
            raw.execute("BEGIN")
            return _read(raw, "leftfold_projections", "leftfold_partitions", {1: 10_000, 3: 100})
    assert isinstance(place, PostgresqlUrl)
    with psycopg.connect(place.conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"SET search_path TO {place.schema}")
        connection.execute("LOCK TABLE projections IN SHARE MODE")  # tables go by other names only with this one
        return _read(connection, "projections", "partitions", {1: 1, 3: 1})


def _read(connection: Any, projections: str, checkpoints: str, scale: dict[int, int]) -> dict[str, Generation]:
    found: dict[str, Generation] = {}
    for role, version, generation in connection.execute(_GENERATIONS.format(projections=projections)).fetchall():
        parts = connection.execute(_PARTS.format(partitions=checkpoints, generation=generation)).fetchall()
        count = {1: "deposits", 3: "entries"}[version]
        rows = connection.execute(_ROWS.format(count=count, suffix=SUFFIX[role])).fetchall()
        kept = {key: (owner, Decimal(amount) / scale[version], number) for key, owner, amount, number in rows}
        found[role] = version, kept, parts
    return found


def main() -> None:
    url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4:] == ["unfenced"]:  # a mutant of our own, to show that the judge would notice
        without("SET fence = fence + 1, owner", "SET owner")
    counts: Counter[str] = Counter()
    for seed in range(first, first + count):
        here = f"{url}/rebuild-{seed}.db" if url.startswith("sqlite") else f"{url}&schema=rebuild_{seed}"
        counts += race(here, seed)
    print(f"{count} races:", ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())))


if __name__ == "__main__":
    main()
