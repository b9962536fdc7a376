"""The places of a trial: a PostgreSQL of its own, a running server, or SQLite files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

from leftfold.database.url import PostgresqlUrl, SqliteUrl, parse_url
from leftfold.errors import InvalidArgument, NotSupported
from leftfold.testing.faulty_disk import Disk, interposed
from leftfold.testing.postgres import ThrowawayPostgres
from leftfold.testing.proxy import CuttingProxy
from leftfold.testing.trial.stage.plan import Kind

WORKERS = ("kill worker", "pause worker")
ANY_POSTGRESQL = (*WORKERS, "foreign transaction", "slow transaction")
THROUGH_PROXY = ("terminate back end", "cut request", "cut reply", "hold traffic")
OWN_POSTGRESQL = ("kill back end", "pause back end", "kill server")
ANY_SQLITE = (*WORKERS, "foreign writer", "foreign reader", "checkpoint")
DISK = ("disk full", "disk error")


class Place(Protocol):
    """Gives every round a fresh store."""

    description: str
    keeps: bool
    """Whether a store that is not dropped stays when all is over."""
    waits: bool
    """Whether its horizon waits for appends in flight."""
    kinds: tuple[Kind, ...]
    """The faults that can be injected here."""

    def fresh(self, name: str) -> str:
        """The URL of an empty store for a round."""

    def drop(self, url: str) -> None:
        """Remove it."""

    def proxy(self, url: str) -> CuttingProxy | None:
        """A new proxy in front of the place, or None where there can be none."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class OwnPostgres:
    """A throwaway server: everything may be done to it. It flushes nothing of itself before a commit asks for it."""

    keeps = False
    waits = True
    kinds: tuple[Kind, ...] = (*ANY_POSTGRESQL, *THROUGH_PROXY, *OWN_POSTGRESQL)

    def __init__(self) -> None:
        self.server = ThrowawayPostgres(wal_writer_delay="10s")
        self.description = "a PostgreSQL 18 of its own"

    def fresh(self, name: str) -> str:
        return self.server.create_database()

    def drop(self, url: str) -> None:
        return  # goes with the server

    def proxy(self, url: str) -> CuttingProxy:
        return CuttingProxy("127.0.0.1", self.server.port)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.__exit__(*exception)


class GivenPostgres:
    """A server that already runs: its processes are left alone, and each round takes a schema of its own."""

    keeps = True
    waits = True

    def __init__(self, url: str) -> None:
        place = parse_url(url)
        assert isinstance(place, PostgresqlUrl)
        self._url = url
        self._host = _host(place)
        self.kinds: tuple[Kind, ...] = (*ANY_POSTGRESQL, *(THROUGH_PROXY if self._host else ()))
        left_out = ", ".join((*OWN_POSTGRESQL, *(() if self._host else THROUGH_PROXY)))
        self.description = f"{place}, in schemas of its own; not injected, since the server is not its own: {left_out}"

    def fresh(self, name: str) -> str:
        parts = urlsplit(self._url)
        options = [option for option in parts.query.split("&") if option and not option.startswith("schema=")]
        return parts._replace(query="&".join([*options, f"schema=leftfold_trial_{name}"])).geturl()

    def drop(self, url: str) -> None:
        import psycopg

        place = parse_url(url)
        assert isinstance(place, PostgresqlUrl)
        with psycopg.connect(place.conninfo, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {place.schema} CASCADE".encode())

    def proxy(self, url: str) -> CuttingProxy | None:
        return CuttingProxy(*self._host) if self._host else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return


def _host(place: PostgresqlUrl) -> tuple[str, int] | None:
    """Host and port if the URL names them: a proxy cannot stand in front of a socket file."""
    parts = urlsplit(place.conninfo)
    return (parts.hostname, parts.port or 5432) if parts.hostname else None


class SqliteFiles:
    """A new file for each round, beside the named file, or in a temporary folder."""

    waits = False
    kinds: tuple[Kind, ...] = (*ANY_SQLITE, *DISK)

    def __init__(self, url: str | None) -> None:
        self._folder: Path | None = None
        self._path: Path | None = None
        if url is not None:
            place = parse_url(url)
            if not isinstance(place, SqliteUrl) or place.path is None:
                raise InvalidArgument("a trial needs a file, sqlite:///trial.db: many processes share it")
            self._path = Path(place.path)
            if self._path.exists():
                raise InvalidArgument(f"{self._path} exists; a trial takes a file of its own: name a new file")
        self.keeps = self._path is not None
        self.description = f"SQLite files beside {self._path}" if self._path else "SQLite files of its own"
        if not _disk_can_fail():
            self.kinds = ANY_SQLITE
            self.description += f"; not injected, since this Python hides SQLite's functions: {', '.join(DISK)}"

    def fresh(self, name: str) -> str:
        if self._path is not None:
            return f"sqlite:///{self._path.with_name(f'{self._path.stem}-{name}{self._path.suffix}').absolute()}"
        assert self._folder is not None
        return f"sqlite:///{self._folder}/{name}.db"

    def drop(self, url: str) -> None:
        for ending in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + ending).unlink(missing_ok=True)

    def proxy(self, url: str) -> None:
        return None

    def __enter__(self) -> Self:
        if self._path is None:
            self._folder = Path(tempfile.mkdtemp(prefix="leftfold-trial-"))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _disk_can_fail() -> bool:
    try:
        with interposed(Disk(), Path.cwd()):
            return True
    except NotSupported:
        return False


def place_at(url: str | None) -> Place:
    """``None`` or ``postgresql``: a server of the trial's own. ``sqlite``: files of its own. Or the URL of either."""
    if url in (None, "postgresql"):
        return OwnPostgres()
    if url == "sqlite":
        return SqliteFiles(None)
    if isinstance(parse_url(str(url)), SqliteUrl):
        return SqliteFiles(url)
    return GivenPostgres(str(url))


def through(proxy: CuttingProxy | None, url: str) -> str:
    """The URL that leads through a proxy."""
    if proxy is None:
        return url
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
