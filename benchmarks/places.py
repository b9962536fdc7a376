"""Where it is measured: one throwaway PostgreSQL and one directory for SQLite files, a fresh database each time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from uuid import uuid4

import psycopg
from psycopg import sql

from benchmarks.cases import BackEnd
from leftfold.testing.postgres import ThrowawayPostgres


class Places:
    """``with Places() as places, places.fresh("sqlite") as url: …``; everything is removed at the end.

    The SQLite files stand on the same disk as the server's.
    """

    def __init__(self) -> None:
        self.server = ThrowawayPostgres()
        self.directory = Path()

    def __enter__(self) -> Self:
        self.server.__enter__()
        self.directory = Path(tempfile.mkdtemp(prefix="leftfold-bench-"))
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        self.server.close()

    @contextmanager
    def fresh(self, back_end: BackEnd, like: str | None = None) -> Iterator[str]:
        """The URL of a new database, empty or a copy of the idle database ``like``; removed afterwards."""
        url = self.create(back_end, like)
        try:
            yield url
        finally:
            self._remove(back_end, url)

    def create(self, back_end: BackEnd, like: str | None = None) -> str:
        """The same, to keep until the end."""
        if back_end == "sqlite":
            path = self.directory / f"{uuid4().hex}.db"
            if like:
                shutil.copy(like.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        if not like:
            return self.server.create_database()
        copy = f"copy_{uuid4().hex}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(_database(copy), _database(like)))
        return self.server.url(copy)

    def ask(self, question: str) -> str:
        """The one value that the server answers."""
        with psycopg.connect(self.server.url()) as connection:
            row = connection.execute(question.encode()).fetchone()
            return str(row[0]) if row else ""

    def _remove(self, back_end: BackEnd, url: str) -> None:
        if back_end == "sqlite":
            for path in self.directory.glob(Path(url).name + "*"):
                path.unlink()
        else:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(_database(url)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(statement)


def _database(url: str) -> sql.Identifier:
    return sql.Identifier(url.rpartition("/")[2])
