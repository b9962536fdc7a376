"""A small bank for the tests of the query side, and plain-Python answers to compare with."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import leftfold as lf
from leftfold.database.protocol import Connection, Database
from leftfold.doors.step import step
from leftfold.events import default_registry, moment
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import DELETE, Delete, Projection

CATEGORY = "ReadAccount"


class Opened(lf.Event, type="read.opened"):
    owner: str


class Deposited(lf.Event, type="read.deposited"):
    amount: Decimal


class Closed(lf.Event, type="read.closed"):
    pass


class Balance(ReadModel):
    account_id: Key[str]
    owner: str
    amount: Decimal = Decimal(0)
    deposits: int = 0
    last_at: datetime | None = None


@projection(Balance, category=CATEGORY, on=[Opened, Deposited, Closed])
def balances(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | Delete | None:
    event = recorded.event
    if isinstance(event, Opened):
        return Balance(recorded.stream_id, event.owner)
    if isinstance(event, Closed):
        return DELETE
    assert row is not None
    return row.replace(amount=row.amount + event.amount, deposits=row.deposits + 1, last_at=recorded.occurred_at)


def stream(account: str) -> str:
    return f"{CATEGORY}-{account}"


def fill(store: lf.EventStore, events: int, accounts: int = 7, seed: int = 1) -> None:
    """A history with accounts opened, closed and opened again, and events in between that nobody asked for."""
    rng = random.Random(seed)
    is_open: set[str] = set()
    for number in range(events):
        account = f"acc-{rng.randrange(accounts)}"
        if account not in is_open:
            is_open.add(account)
            store.append(stream(account), [Opened(owner=f"owner {number}")])
        elif rng.random() < 0.1:
            is_open.remove(account)
            store.append(stream(account), [Closed()])
        else:
            store.append(stream(account), [Deposited(amount=Decimal(rng.randrange(1, 10**6)).scaleb(-2))])
        if rng.random() < 0.2:
            store.append(f"Noise-{number}", [Opened(owner="nobody")])


def folded(store: lf.EventStore, by: Projection[Any] = balances) -> dict[str, Any]:
    """The rows as a plain dict makes them."""
    rows: dict[str, Any] = {}
    for recorded in store.read_all(by.query(default_registry)):
        row = by(rows.pop(recorded.stream_id, None), recorded)
        if row is not None and row is not DELETE:
            rows[recorded.stream_id] = row
    return rows


def stored(store: lf.EventStore, model: type[Any] = Balance) -> dict[str, Any]:
    """The rows as the table has them, read without a view."""
    from leftfold.front.view import View

    return {row.account_id: row for row in View(store._log.database, model).find()}


def run_sql(database: Database, sql: str) -> list[tuple[Any, ...]]:
    async def run() -> list[tuple[Any, ...]]:
        async with database.transaction() as connection:
            return await connection.execute(sql)

    return step(run())


def checkpoints(store: lf.EventStore) -> list[tuple[Any, ...]]:
    """Name, version, position and event id of every checkpoint."""
    table = store._log.database.table
    return run_sql(
        store._log.database,
        f"SELECT c.name, p.version, c.position, c.event_id FROM {table('partitions')} c JOIN {table('projections')} p "
        "ON p.name = c.name AND p.generation = c.generation ORDER BY c.name, p.version, c.first",
    )


def recorded_event(event: Any, position: int = 1, stream: str = "ReadAccount-alice") -> lf.RecordedEvent:
    """An event as a log would tell it."""
    name, version, data, _ = default_registry.encode(event)
    now = moment.to_text(datetime(2026, 1, 15, 12, tzinfo=UTC))
    return lf.RecordedEvent(
        position, stream, position, uuid4().bytes, name, version, data, b"{}", (), now, now, default_registry
    )


class Killed(BaseException):
    """The process died here."""


class DyingDatabase:
    """A database whose process dies in its ``lives``-th write transaction, just before or just after the commit."""

    def __init__(self, database: Database, lives: int, *, after_commit: bool) -> None:
        self._database = database
        self._lives = lives
        self._after_commit = after_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self._lives -= 1
        async with self._database.transaction() as connection:
            yield connection
            if self._lives == 0 and not self._after_commit:
                self.die()
        if self._lives == 0:
            self.die()

    def die(self) -> None:
        raise Killed


def names(rows: Sequence[Any]) -> list[str]:
    return [row.account_id for row in rows]
