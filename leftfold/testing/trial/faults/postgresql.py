"""Faults of a PostgreSQL server: sessions ended, back ends killed and paused, the whole server killed; slow company."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg

import leftfold as lf
from leftfold import expected as expectation
from leftfold.database.url import PostgresqlUrl, parse_url
from leftfold.testing.trial.record.facts import Noted, fact, new_events, registry
from leftfold.testing.trial.record.history import CRASH
from leftfold.testing.trial.record.records import Answer, Append, AppendAnswer, Rollback, Submission, Unknown
from leftfold.testing.trial.stage.places import OwnPostgres
from leftfold.testing.trial.stage.stage import Stage

_PATIENCE = 30.0
_SESSIONS = """SELECT pid FROM pg_stat_activity WHERE client_port = ANY(%s) AND backend_type = 'client backend'
    ORDER BY state = 'active' DESC, pid"""


def terminate_back_end(stage: Stage, chance: random.Random) -> str | None:
    """``pg_terminate_backend`` of a worker's session, preferably while it is at work."""
    with suppress(psycopg.Error), connect(stage.url) as connection:
        pid = _any_back_end(stage, connection, chance)
        if pid is not None:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            return str(pid)
    return None


def kill_back_end(stage: Stage, chance: random.Random) -> str | None:
    """SIGKILL of a session: PostgreSQL takes that for a crash, ends all sessions and recovers."""
    with stage.server_turn, suppress(psycopg.Error), connect(stage.url) as connection:
        pid = _any_back_end(stage, connection, chance)
        if pid is None:
            return None
        at = time.monotonic_ns()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE
        with suppress(psycopg.Error):
            while time.monotonic() < deadline:
                connection.execute("SELECT pg_sleep(0.02)")
        _wait_for_server(stage.url)
        stage.note(CRASH, "all sessions ended", at)
        return str(pid)
    return None


def pause_back_end(stage: Stage, chance: random.Random) -> str | None:
    """SIGSTOP of a session, with the locks that it holds; SIGCONT after a while."""
    pid = None
    with suppress(psycopg.Error), connect(stage.url) as connection:
        pid = _any_back_end(stage, connection, chance)
    if pid is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(chance.uniform(0.05, 0.8))
        finally:
            os.kill(pid, signal.SIGCONT)
    return str(pid)


def kill_server(stage: Stage, chance: random.Random) -> str | None:
    """SIGKILL of every process of the server; started again after a while, it recovers."""
    assert isinstance(stage.place, OwnPostgres)
    with stage.server_turn:
        at = time.monotonic_ns()
        stage.place.server.kill()
        time.sleep(chance.uniform(0, 0.4))
        stage.place.server.start()
        stage.note(CRASH, "the server was killed", at)
    return "all processes"


def foreign_transaction(stage: Stage, chance: random.Random) -> str | None:
    """A foreign transaction stays open: followers must not wait for it."""
    with suppress(psycopg.Error), connect(stage.url) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT pg_current_xact_id()")
        seconds = chance.uniform(0.3, 2.5)
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        return f"{seconds:.2f} s"
    return None


def slow_transaction(stage: Stage, chance: random.Random) -> str | None:
    """A transaction that has appended and takes its time to commit, or to roll back: followers must wait for it."""
    calls: list[int] = []
    answers: list[Answer] = []
    port = 0
    with (
        suppress(psycopg.Error, lf.StoreUnavailable, lf.TransactionConflict),
        lf.connect(stage.url, registry=registry, migrate="never") as store,
        connect(stage.url) as connection,
    ):
        port = _own_port(connection)
        connection.execute("BEGIN")
        for _ in range(chance.choice([1, 1, 2])):
            facts = tuple(fact(chance, Noted("slowly"), ["colour:1"]) for _ in range(chance.choice([1, 3])))
            write = Submission(f"slow-{chance.randrange(10)}", expectation.ANY_VERSION, facts)
            calls.append(stage.own_calls.call("slow transaction", Append((write,))))
            result = store.using(connection).append(write.stream, new_events(write.facts))
            answers.append(AppendAnswer(((result.version, result.position, result.duplicate),)))
            time.sleep(chance.uniform(0, 0.4))
        if chance.random() < 0.3:
            connection.execute("ROLLBACK")
            answers = [Rollback() for _ in answers]
        else:
            connection.execute("COMMIT")
        for number, answer in zip(calls, answers, strict=True):
            stage.own_calls.answer(number, answer)
        return f"{len(calls)} appends"
    over = not calls or wait_for_end_of_sessions(stage.url, [port])
    for number in calls:
        stage.own_calls.answer(number, Unknown("the connection was lost", over=over))
    return None


def _own_port(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0] or 0)


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection that goes past the proxies."""
    place = parse_url(url)
    assert isinstance(place, PostgresqlUrl)
    return psycopg.connect(place.conninfo, autocommit=True, connect_timeout=5)


def wait_for_end_of_sessions(url: str, ports: Iterable[int]) -> bool:
    """Whether the server has none of these sessions any more, within half a minute."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(psycopg.Error), connect(url) as connection:
            if not connection.execute(_SESSIONS, (list(ports),)).fetchall():
                return True
        time.sleep(0.02)
    return False


def _wait_for_server(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connect(url).close()
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _any_back_end(stage: Stage, connection: psycopg.Connection[Any], chance: random.Random) -> int | None:
    ports = [port for proxy in list(stage.proxies.values()) for port in proxy.ports()]
    pids = [pid for (pid,) in connection.execute(_SESSIONS, (ports,)).fetchall()]
    return pids[min(int(chance.expovariate(0.5)), len(pids) - 1)] if pids else None


POSTGRESQL_FAULTS = {
    "terminate back end": terminate_back_end,
    "kill back end": kill_back_end,
    "pause back end": pause_back_end,
    "kill server": kill_server,
    "foreign transaction": foreign_transaction,
    "slow transaction": slow_transaction,
}
