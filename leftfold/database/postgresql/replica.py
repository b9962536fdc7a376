"""Reading from a streaming replica: exactly what the primary has shown, or nothing.

The primary gives a `Mark`: the last event to be read, and the place in its WAL behind everything that is visible. A
connection to the replica is used once it has replayed that place, on the same timeline of the same cluster, and shows
that event. (The connection itself is asked, because a URL may lead to several replicas.) Later statements see all up to
the mark, even if the replica is promoted meanwhile: its own writes stand beyond. In every other case the primary must
be asked.

The WAL place is that of insertion, because commits with synchronous_commit off are visible before they are flushed. But
the WAL of an open transaction may stay unflushed, hence unsent, for many seconds. So a long wait makes the primary
flush, once. The replica waits in short statements: a long statement would hold a snapshot, which can stop the very
replay that it waits for (see the discussion of PostgreSQL's own WAIT FOR LSN).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.errors import UndefinedTable

from leftfold.database.postgresql.connection import ConnectionLost, PostgresqlConnection
from leftfold.database.postgresql.database import PostgresqlDatabase
from leftfold.database.postgresql.driver import Driver
from leftfold.database.protocol import Row
from leftfold.database.statements import statement
from leftfold.database.url import PostgresqlUrl
from leftfold.doors.protocol import Waiting
from leftfold.errors import InvalidArgument, StoreUnavailable

PATIENCE = 1.0
"""Seconds that a read waits for the replica, to connect or to catch up, before it goes to the primary."""
RETRY = 1.0
"""Seconds between attempts to read from a replica that was given up; a single read makes the attempt."""
_NUDGE = 0.05
_LONGEST_PAUSE = 0.02
logger = logging.getLogger("leftfold")


class Mark(NamedTuple):
    """The primary at one moment: the last event to be read, and the end of the WAL after that."""

    position: int
    event_id: UUID
    lsn: str
    timeline: str
    system: int


class Replica:
    """A streaming replica, which may be away. ``served`` and ``declined`` count reads."""

    def __init__(self, primary: PostgresqlDatabase, database: PostgresqlDatabase) -> None:
        self.served = 0
        self.declined = 0
        self._primary = primary
        self._database = database
        self._has_pool = False
        self._is_open = False
        self._is_closed = False
        self._is_away = False
        self._next_try = 0.0
        self._opening = database.waiting.semaphore(1)

    async def open(self) -> None:
        """Connect; `InvalidArgument` if it is no replica of the primary. A replica that is away is no error."""
        self._is_closed = False
        try:
            await self._open()
        except StoreUnavailable as error:
            self._leave(str(error))

    async def rows(self, mark: Mark, sql: str, parameters: Sequence[Any]) -> list[Row] | None:
        """The raw rows of a statement about events up to the mark; None if the primary must be asked."""
        rows = await self._attempted(mark, sql, parameters) if self._may_try() else None
        if rows is None:
            self.declined += 1
            return None
        self.served += 1
        if self._is_away:
            self._is_away = False
            logger.warning("reads come from the replica %s again", self._database.place)
        return rows

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed, self._is_open, self._has_pool = True, False, False
        await self._database.close()

    def _may_try(self) -> bool:
        """Always while the replica is there; else for a single read now and then."""
        if self._is_closed:
            return False
        if self._is_away:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + RETRY
        return True

    async def _attempted(self, mark: Mark, sql: str, parameters: Sequence[Any]) -> list[Row] | None:
        try:
            try:
                return await self._read(mark, sql, parameters)
            except ConnectionLost:  # it may have died while idle: another connection may be alive
                return await self._read(mark, sql, parameters)
        except (StoreUnavailable, InvalidArgument) as error:
            self._leave(str(error))
        except psycopg.Error as error:  # a conflict with recovery, or its own: the primary's answer counts
            logger.info("a read goes to the primary: %s on the replica %s", error, self._database.place)
        return None

    async def _read(self, mark: Mark, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """The rows, or `StoreUnavailable`, which says why there are none."""
        await self._open()
        async with self._database.connection() as connection:
            await self._reach(connection, mark)
            return await connection.execute_raw(sql, parameters)

    def _leave(self, reason: str) -> None:
        if not self._is_away:
            logger.warning("reads come from the primary for now, not from the replica: %s", reason)
        self._is_away = True
        self._next_try = time.monotonic() + RETRY

    async def _open(self) -> None:
        """Connect once, however many reads find it not open."""
        if self._is_open:
            return
        async with self._opening:
            if not self._is_open:
                await self._connect()

    async def _connect(self) -> None:
        question = statement("leftfold.database.postgresql.replication", "identity")
        async with self._primary.connection() as connection:
            [primary] = await connection.execute(question)
        if not self._has_pool:
            await self._database.open()
            self._has_pool = True
        async with self._database.connection() as connection:
            [replica] = await connection.execute(question)
        here, there = self._database.place, self._primary.place
        if replica[0] != primary[0]:
            raise InvalidArgument(
                f"{here} is no replica of {there}: it is of another cluster (system identifier {replica[0]}, expected "
                f"{primary[0]}). Give the URL of a standby that streams from that primary"
            )
        if not replica[2]:
            raise InvalidArgument(f"{here} is no replica: it takes writes. Give the URL of a standby of {there}")
        if replica[1] != primary[1]:
            raise InvalidArgument(
                f"{here} is of the right cluster and of another database than {there}: name the same database in "
                "both URLs"
            )
        self._is_open = True

    async def _reach(self, connection: PostgresqlConnection, mark: Mark) -> None:
        """Wait until the connection shows everything up to the mark; `StoreUnavailable` if it does not in time."""
        place, began, pause, nudged = self._database.place, time.monotonic(), 0.001, False
        while True:
            is_replica, system, timeline, has_replayed, found = await self._progress(connection, mark)
            if not is_replica:
                raise StoreUnavailable(f"{place} has become a primary of its own")
            if (system, timeline) != (mark.system, mark.timeline):
                raise StoreUnavailable(
                    f"{place} is on timeline {timeline} of cluster {system}, and the primary on {mark.timeline} of "
                    f"{mark.system} (after a failover: until the replica's next restart point)"
                )
            if has_replayed and found is not None:  # None: the event was replayed after this statement's snapshot
                if found == mark.event_id:
                    return
                raise StoreUnavailable(f"{place} has another event at position {mark.position}: another history")
            waited = time.monotonic() - began
            if waited > PATIENCE:
                raise StoreUnavailable(f"{place} is more than {PATIENCE:g} s behind the primary")
            if waited > _NUDGE and not nudged:
                nudged = True
                await self._nudge(mark)
            await self._database.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _progress(self, connection: PostgresqlConnection, mark: Mark) -> Row:
        """How far its server has replayed. Without a table yet it has no event yet."""
        events = f"(SELECT e.id FROM {self._primary.table('events')} e WHERE e.position = %s)"
        question = statement("leftfold.database.postgresql.replication", "progress")
        try:
            [row] = await connection.execute(question.format(found=events), (mark.lsn, mark.position))
        except UndefinedTable:
            [row] = await connection.execute(question.format(found="NULL"), (mark.lsn,))
        return row

    async def _nudge(self, mark: Mark) -> None:
        """Make the primary flush up to the mark, by an empty message in its WAL."""
        question = statement("leftfold.database.postgresql.replication", "flush")
        with suppress(StoreUnavailable, psycopg.Error):
            async with self._primary.connection() as connection:
                await connection.execute(question, (mark.lsn,))


class ReplicatedDatabase(PostgresqlDatabase):
    """A primary with a replica, which is opened and closed with it."""

    def __init__(self, url: PostgresqlUrl, driver: Driver, waiting: Waiting, replica: PostgresqlDatabase) -> None:
        super().__init__(url, driver, waiting)
        self.replica = Replica(self, replica)

    async def open(self) -> None:
        await super().open()
        await self.replica.open()

    async def close(self) -> None:
        await self.replica.close()
        await super().close()
