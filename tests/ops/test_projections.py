"""``leftfold run`` and ``leftfold projections``, as processes, on both back ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leftfold as lf
from tests.ops.app_of_tests import Count, Parks, Thing
from tests.processes import Process, command, leftfold

APP = "tests.ops.app_of_tests:app"
PROCESSOR_COMMANDS = {"status", "pause", "resume", "retry", "skip", "parked", "unpark", "audit"}
WELL = "tests.ops.app_of_tests:well"


def ran(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    group = () if arguments[0] in PROCESSOR_COMMANDS else ("projections",)
    return leftfold(*group, *arguments, OPS_URL=url, **more)


def said(url: str, *arguments: str, **more: str) -> str:
    done = ran(url, *arguments, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def worker(url: str, app: str = APP) -> Process:
    return Process(command, "run", app, "--lease", "1", OPS_URL=url)


def states(url: str) -> dict[str, Any]:
    return {one["processor"]: one for one in json.loads(said(url, "status", url, "--json"))}


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        for number in range(40):
            store.append(f"Thing-{number % 4}", [Thing(n=number)])
        yield store


def test_a_worker_runs_an_app_until_sigterm_and_status_tells_of_everything(
    store: lf.EventStore, store_url: str
) -> None:
    assert "no processor has ever run here" in said(store_url, "status", store_url)
    with worker(store_url) as process:
        eventually(lambda: len(states(store_url)) == 4, "it begins")
        eventually(lambda: states(store_url)["count"]["state"] == "current", "it catches up")
        eventually(lambda: states(store_url)["fails"]["state"] == "failing", "one fails")
        for number in range(300):
            store.append(f"Thing-{number}", [Thing(n=100 + number)])
        eventually(lambda: states(store_url)["slow"]["state"] == "behind", "the slow one lags")
        said(store_url, "pause", APP, "count", "--why", "a look at the table", "--who", "ann")
        text = said(store_url, "status", APP)
        lines = {line.split()[0]: line for line in reversed(text.splitlines()) if line.strip()}
        for name, state in (("count", "paused"), ("slow", "behind"), ("fails", "failing")):
            assert lines[name].split()[1] == state
        assert "paused by ann" in text
        assert "thirteen brings bad luck" in text
        assert "leftfold retry" in text
        assert "parked since position" in text
        assert lines["processor"].split()[:4] == ["processor", "state", "position", "lag"]
        assert ran(store_url, "status", store_url, "--check").returncode == 1
        process.send(signal.SIGTERM)
        ended = process.wait(20)
        errors = process.stderr.read()
        assert ended == 0, errors
        assert "ended in order" in errors
    assert states(store_url)["slow"]["state"] == "orphaned"
    assert "no worker runs it" in said(store_url, "status", store_url)


@pytest.mark.exhaustive
def test_a_worker_that_is_killed_is_told_of_and_replaced(store: lf.EventStore, store_url: str) -> None:
    with worker(store_url, WELL) as first:
        eventually(lambda: states(store_url).get("count", {}).get("state") == "current", "it catches up")
        assert ran(store_url, "status", store_url, "--check").returncode == 0
        first.send(signal.SIGKILL)
        first.wait()
        eventually(lambda: states(store_url)["count"]["state"] == "orphaned", "its death is noticed")
        assert "was last seen at" in states(store_url)["count"]["reason"]
        assert ran(store_url, "status", store_url, "--check").returncode == 1
    written = store.append("Thing-late", [Thing(n=1)])
    with worker(store_url, WELL):
        store.view(Count).wait_for(written.position, timeout=20)
        assert ran(store_url, "status", store_url, "--check").returncode == 0


@pytest.mark.exhaustive
def test_two_processes_share_the_keys_and_the_living_takes_over(store: lf.EventStore, store_url: str) -> None:
    with worker(store_url, WELL), worker(store_url, WELL) as second:
        eventually(lambda: len(states(store_url).get("count", {}).get("workers", [])) == 2, "both have a part")
        second.send(signal.SIGKILL)
        written = [store.append(f"Thing-{number}", [Thing(n=number)]) for number in range(50)]
        store.view(Count).wait_for(written[-1].position, timeout=20)
        assert sum(row.n for row in store.view(Count).find()) == 90


@pytest.mark.exhaustive
def test_what_failed_is_skipped_and_what_is_parked_is_applied(store: lf.EventStore, store_url: str) -> None:
    assert "names no app" in ran(store_url, "unpark", store_url.partition(":")[0], "parks").stderr
    with worker(store_url):
        eventually(lambda: states(store_url).get("fails", {}).get("state") == "failing", "it fails")
        at = states(store_url)["fails"]["position"] + 1
        assert (
            "does not stand still at"
            in ran(store_url, "skip", store_url, "fails", "--position", str(at + 1), "--why", "x").stderr
        )
        said(store_url, "skip", store_url, "fails", "--position", str(at), "--why", "an accident", "--who", "bob")
        eventually(lambda: states(store_url)["fails"]["state"] == "current", "it goes on")
        parked = said(store_url, "parked", APP, "parks")
        assert "ValueError: thirteen brings bad luck" in parked
        assert "waits behind it" in parked
        assert "still parked" in said(store_url, "unpark", APP, "parks", "--why", "once more")
        assert "7 applied" in said(store_url, "unpark", APP, "parks", "--why", "corrected", OPS_CORRECTED="1")
        assert sum(row.n for row in store.view(Parks).find()) == 40
    acts = said(store_url, "audit", store_url)
    assert [word in acts for word in ("skip", "bob", "an accident", "unpark", "corrected")] == [True] * 5


def test_what_cannot_be_done_is_said_in_a_line(store: lf.EventStore, store_url: str) -> None:
    for arguments, words in (
        (("pause", store_url, "nothing", "--why", "x"), "there is no processor 'nothing'"),
        (("pause", store_url, "nothing", "--why", " "), "say why with --why"),
        (("status", "tests.ops.nowhere:app"), "there is no module"),
        (("status", "tests.ops.app_of_tests:nothing"), "it has app, well"),
        (("unpark", store_url, "parks"), "needs the processor's code"),
    ):
        done = ran(store_url, *arguments)
        assert done.returncode == 1, arguments
        [line] = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert words in line
