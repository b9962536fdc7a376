"""The bank as the peer's documentation would have it: an aggregate, an application, a projection into a table."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from threading import Event
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.utils import get_topic
from psycopg.sql import SQL, Identifier


class BankAccount(Aggregate):
    """An account: opened, then deposited to."""

    @event("AccountOpened")
    def __init__(self, owner: str):
        self.owner = owner
        self.balance = Decimal(0)

    @event("MoneyDeposited")
    def deposit(self, amount: Decimal) -> None:
        self.balance += amount


class Bank(Application[UUID]):
    """The write side."""


class AccountSummaries(PostgresTrackingRecorder):
    """The materialised view: a row per account, changed in one transaction with the tracking of its event."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.check_identifier_length("account_summaries")
        names = {"schema": Identifier(self.datastore.schema), "table": Identifier("account_summaries")}
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS {schema}.{table} (account_id uuid PRIMARY KEY, owner text NOT NULL, "
                "balance numeric(19, 4) NOT NULL, tx_count bigint NOT NULL, last_tx_at timestamptz)"
            ).format(**names)
        )
        self.insert = SQL("INSERT INTO {schema}.{table} VALUES (%s, %s, 0, 0, NULL)").format(**names)
        self.update = SQL(
            "UPDATE {schema}.{table} SET balance = balance + %s, tx_count = tx_count + 1, last_tx_at = %s "
            "WHERE account_id = %s"
        ).format(**names)

    def opened(self, account_id: UUID, owner: str, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.insert, (account_id, owner), prepare=True)

    def deposited(self, account_id: UUID, amount: Decimal, at: datetime, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self.update, (amount, at, account_id), prepare=True)


class AccountSummary(Projection[AccountSummaries]):
    """Processes event by event, and signals when so many are done."""

    name = "accountsummary"
    topics = (get_topic(BankAccount.AccountOpened), get_topic(BankAccount.MoneyDeposited))
    wanted = 0
    enough: Event
    started_at = 0.0
    finished_at = 0.0

    @singledispatchmethod
    def process_event(self, happened: Any, tracking: Tracking) -> None:
        raise NotImplementedError(f"{type(happened)} is none of the bank's events")

    @process_event.register
    def _(self, happened: BankAccount.AccountOpened, tracking: Tracking) -> None:
        self.view.opened(happened.originator_id, happened.owner, tracking)
        self.count()

    @process_event.register
    def _(self, happened: BankAccount.MoneyDeposited, tracking: Tracking) -> None:
        self.view.deposited(happened.originator_id, happened.amount, happened.timestamp, tracking)
        self.count()

    @classmethod
    def count_to(cls, wanted: int) -> None:
        cls.wanted, cls.enough, cls.started_at = wanted, Event(), perf_counter()

    @classmethod
    def count(cls) -> None:
        cls.wanted -= 1
        if cls.wanted == 0:
            cls.finished_at = perf_counter()
            cls.enough.set()


def environment(url: str) -> dict[str, str]:
    """The settings of an application on a database: where it is, and else the peer's own defaults."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": parts.path.removeprefix("/")}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }
