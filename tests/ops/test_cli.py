"""The command line on both back ends: what it shows, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import leftfold as lf
from tests.processes import leftfold

JANUARY = datetime(2026, 1, 16, tzinfo=UTC)


def shown(*arguments: str) -> str:
    ran = leftfold(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def refused(*arguments: str) -> str:
    """The one line of an error."""
    ran = leftfold(*arguments)
    assert (ran.returncode, ran.stdout) == (1, "")
    [line] = ran.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def filled(store_url: str) -> str:
    """A store with two streams, of types that the command line has no class for."""
    with lf.connect(store_url) as store:
        store.append("Thing-a", [lf.NewEvent(lf.RawEvent("thing.made", b'{"n":1}'), occurred_at=JANUARY)])
        store.append("Thing-a", [lf.RawEvent("thing.used", b'{"n":2}'), lf.RawEvent("thing.used", b'{"n":3}')])
        store.append("Other-b", [lf.RawEvent("other.made", b'{"text":"\\u001b[31mred"}')])
    return store_url


def test_streams_are_listed_with_their_events(filled: str) -> None:
    lines = shown("streams", filled).splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["Other-b", "1", "other.made"], ["Thing-a", "3", "thing.used"]]
    assert "there are more" in shown("streams", filled, "--limit", "1")
    assert "Thing-a" not in shown("streams", filled, "--category", "Other")
    assert shown("streams", filled, "--after", "Thing-a").strip() == "no streams (any more)"


def test_a_stream_is_shown_whole_or_up_to_a_version_or_a_date(filled: str) -> None:
    assert shown("show", filled, "Thing-a").count('{"n":') == 3
    assert shown("show", filled, "Thing-a", "--version", "2").count('{"n":') == 2
    assert shown("show", filled, "Thing-a", "--at", "2026-01-16").count('{"n":') == 1
    assert "nothing had occurred" in shown("show", filled, "Thing-a", "--at", "2026-01-15")
    assert "earlier events are not shown" in shown("show", filled, "Thing-a", "--limit", "1")


def test_the_tail_shows_the_last_events(filled: str) -> None:
    assert shown("tail", filled, "--no-follow").count("Thing-a@") == 3
    assert shown("tail", filled, "--no-follow", "--type", "other.made").count("@") == 1
    assert shown("tail", filled, "--no-follow", "-n", "1").count("@") == 1
    assert shown("tail", filled, "--no-follow", "--after", "0").count("@") == 4


def test_the_tail_follows_until_it_is_interrupted(filled: str) -> None:
    command = [
        sys.executable,
        "-u",
        "-c",
        "from leftfold.ops.command.cli import main; main()",
        "tail",
        filled,
        "-n",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "other.made" in process.stdout.readline()
        with lf.connect(filled) as store:
            store.append("Thing-a", [lf.RawEvent("thing.lost", b"{}")])
        assert "thing.lost" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (130, "")


def test_no_event_can_send_commands_to_the_terminal(filled: str) -> None:
    for command in (["show", filled, "Other-b"], ["tail", filled, "--no-follow"]):
        assert "\x1b" not in shown(*command)


def test_migrate_makes_the_tables_and_prints_the_script(fresh_store_url: str) -> None:
    script = shown("migrate", fresh_store_url, "--sql")
    assert script.count("CREATE TABLE") >= 5
    made = shown("migrate", fresh_store_url)
    assert "applied 0001" in made
    assert shown("migrate", fresh_store_url).strip().endswith("is up to date already")
    lf.connect(fresh_store_url, migrate="never").close()


def test_the_doctor_tells_how_it_is(filled: str) -> None:
    said = shown("doctor", filled)
    for finding in ("reachable", "back end", "durability", "acknowledged means flushed", "up to date", "4; the head"):
        assert finding in said


def test_the_doctor_finds_a_store_without_tables(fresh_postgres_url: str) -> None:
    ran = leftfold("doctor", fresh_postgres_url)
    assert ran.returncode == 1
    assert "leftfold migrate" in ran.stdout


def test_errors_are_one_readable_line(filled: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    assert "no stream 'Thing-none'" in refused("show", filled, "Thing-none")
    assert "versions 1 to 3" in refused("show", filled, "Thing-a", "--version", "9")
    assert "is no date" in refused("show", filled, "Thing-a", "--at", "yesterday")
    assert "has no time zone" in refused("show", filled, "Thing-a", "--at", "2026-01-16T09:30")
    assert "is no store's URL" in refused("streams", "mysql://x/y")
    assert "no such file" in refused("streams", f"sqlite:///{tmp_path}/none.db")
    assert "not an SQLite database" in refused("streams", f"sqlite:///{tmp_path}/text.db")
    assert "is the server running" in refused("doctor", "postgresql://x@127.0.0.1:1/y")
    assert not (tmp_path / "none.db").exists()


def test_a_damaged_file_is_told_in_one_line(sqlite_url: str) -> None:
    with lf.connect(sqlite_url) as store:
        store.append("Thing-a", [lf.RawEvent("thing.made", b'"' + b"x" * 100_000 + b'"')])
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    for command in (["streams", sqlite_url], ["show", sqlite_url, "Thing-a"], ["tail", sqlite_url, "--no-follow"]):
        assert "is damaged" in refused(*command)


def test_a_remedy_names_the_schema_that_was_asked_for(fresh_postgres_url: str) -> None:
    schema = fresh_postgres_url.rpartition("schema=")[2]
    assert refused("streams", fresh_postgres_url).endswith(f"?schema={schema}`")


def test_a_database_in_memory_is_nothing_to_look_at(tmp_path: Path) -> None:
    for command in (["streams"], ["migrate"], ["doctor"], ["tail"]):
        assert "in memory" in refused(*command, "sqlite://")


def test_a_file_of_somebody_elses_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE birds (name text)")
    before = path.read_bytes()
    assert "has no tables of leftfold's" in refused("streams", f"sqlite:///{path}")
    assert leftfold("doctor", f"sqlite:///{path}").returncode == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_said_of_an_empty_store_but_that(store_url: str) -> None:
    lf.connect(store_url).close()
    assert shown("streams", store_url) == "no streams\n"
    assert shown("tail", store_url, "--no-follow") == ""
    assert "0; the head is at position 0" in shown("doctor", store_url)


def test_long_data_is_cut_unless_it_is_asked_for_whole(store_url: str) -> None:
    with lf.connect(store_url) as store:
        event = lf.RawEvent("thing.made", b'"' + b"x" * 5_000 + b'"')
        store.append("Thing-a", [lf.NewEvent(event, tags=["a:1"], metadata={"actor": "ann"})])
    cut = shown("show", store_url, "Thing-a")
    assert "(5,002bytes)" in "".join(cut.split()), "the column folds"
    assert cut.count("x") < 400
    assert 'tags ["a:1"]' in cut
    assert 'metadata {"actor":"ann"}' in cut
    assert shown("show", store_url, "Thing-a", "--full").count("x") == 5_000
    assert shown("tail", store_url, "--no-follow").count("x") < 400


def test_a_reader_that_goes_away_ends_the_tail_quietly(filled: str) -> None:
    command = [sys.executable, "-u", "-c", "from leftfold.ops.command.cli import main; main()", "tail", filled]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        with lf.connect(filled) as store:
            store.append("Thing-a", [lf.RawEvent("thing.lost", b"{}")])
        assert process.wait(timeout=30) == 1
        assert process.stderr.read() == ""


def test_an_empty_database_is_left_as_it_is(fresh_postgres_url: str) -> None:
    assert "leftfold migrate" in refused("streams", fresh_postgres_url)
    with pytest.raises(lf.SchemaOutdated):
        lf.connect(fresh_postgres_url, migrate="never")


@pytest.mark.exhaustive
@pytest.mark.parametrize("times", [2])
def test_the_demo_runs_again_and_again_on_one_database(postgres_url: str, times: int) -> None:
    for _ in range(times):
        said = shown("demo", "--url", postgres_url)
        for act in ("ConcurrencyError", "Refused", "snapshot", "equal to those before"):
            assert act in said


@pytest.mark.exhaustive
def test_the_demo_runs_on_a_file_of_its_own() -> None:
    said = shown("demo")
    assert "equal to those before" in said
    assert not Path(said.partition("sqlite:///")[2].split()[0]).exists()


@pytest.mark.parametrize("command", [["-m", "leftfold"], [str(Path(sys.executable).with_name("leftfold"))]])
def test_the_version_is_told(command: list[str]) -> None:
    """By a new interpreter; the other tests fork."""
    told = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("leftfold 0.")
    assert told.stderr == ""


def test_a_store_can_be_looked_at_through_the_async_door_too(filled: str) -> None:
    from leftfold.ops.doctor.diagnosis import diagnose
    from leftfold.ops.inspect.streams import streams
    from leftfold.ops.opening import opened

    async def look() -> None:
        async with opened(filled, blocking=False) as log:
            assert [stream.name for stream in await streams(log)] == ["Other-b", "Thing-a"]
        assert {finding.level for finding in await diagnose(filled, blocking=False)} <= {"fine", "warning"}

    asyncio.run(look())
