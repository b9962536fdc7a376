"""Inline projections in SQLite: in the append's own transaction and hop, in the thread of its connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from leftfold.database.protocol import Database
from leftfold.database.sqlite.database import SqliteConnection
from leftfold.doors.blocking import BlockingExecutor
from leftfold.doors.step import step
from leftfold.log.inline.inline_set import outdated, read_inline_set
from leftfold.log.inline.protocol import Inline, StoredAppend


class Inlining:
    """The inline projections of a log, over raw connections."""

    def __init__(self, inline: Inline, database: Database, place: str) -> None:
        self.inline = inline
        self._database = database
        self._place = place

    def check(self, raw: sqlite3.Connection, digest: str) -> None:
        """`ProcessorOutdated` if the database records another set."""
        if digest != self.inline.digest:
            recorded = step(read_inline_set(self._over(raw), self._database))
            raise outdated(recorded, self.inline.members)

    def apply(self, raw: sqlite3.Connection, stored: Sequence[StoredAppend]) -> None:
        """Bring the rows up to date with what has just been stored. `BatchRefused` undoes it."""
        if self.inline.digest and stored:
            connection = self._over(raw)
            _, rows = step(self.inline.fetch(connection, [each.append for each in stored]))
            step(connection.execute_all(self.inline.fold(stored, rows)))

    def _over(self, raw: sqlite3.Connection) -> SqliteConnection:
        return SqliteConnection(raw, BlockingExecutor(), self._place)
