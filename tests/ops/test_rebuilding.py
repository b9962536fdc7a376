"""``leftfold projections rebuild`` and what belongs to it, as processes, on both back ends."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

import leftfold as lf
from leftfold.ops.command import progress
from leftfold.ops.command.progress import ProgressDisplay, describe
from tests.ops.app_of_tests import Count, Thing, count
from tests.ops.test_projections import APP, WELL, eventually, ran, said, states, worker
from tests.processes import Process, command

NEWER, PATIENT = "tests.ops.app_of_tests:newer", "tests.ops.app_of_tests:patient"
OLD, NEW = 40, 40 + 999


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    """Where version 1 is live and up to date."""
    with lf.connect(store_url) as store:
        for number in range(40):
            store.append(f"Thing-{number % 4}", [Thing(n=number)])
        store.projector([count]).catch_up()
        yield store


def total(store: lf.EventStore) -> int:
    return sum(row.n for row in store.view(Count).find())


def test_rows_are_compared_swapped_rolled_back_and_dropped(store: lf.EventStore, store_url: str) -> None:
    looked = said(store_url, "rebuild", NEWER, "count", "--compare", "--no-swap", "--why", "big ones", "--who", "ann")
    assert "Count: 0 added, 0 removed, 1 changed, 3 unchanged" in looked
    assert "10 → 1009" in looked
    assert "count: rows of version 2, up to position 40, stand beside the live ones (40 events folded" in looked
    assert f"leftfold projections abandon {NEWER} count" in looked
    assert total(store) == OLD
    swapped = said(store_url, "rebuild", NEWER, "count", "--parts", "4")
    assert "count: rows of version 2, up to position 40, are live (0 events folded" in swapped
    assert f"leftfold projections rollback {NEWER} count" in swapped
    assert total(store) == NEW
    back = said(store_url, "rollback", store_url, "count", "--why", "too big")
    assert "the former rows, of version 1, are live again, at position 40 of 40" in back
    assert total(store) == OLD
    said(store_url, "rollback", NEWER, "count")
    assert "no rollback before the next swap" in said(store_url, "drop-former", store_url, "count")
    assert total(store) == NEW
    acts = said(store_url, "audit", store_url)
    assert [word in acts for word in ("rebuild", "big ones", "ann", "swap", "rollback", "too big", "drop_former")] == [
        True
    ] * 7


def test_what_is_being_built_is_told_of_and_dropped(store: lf.EventStore, store_url: str) -> None:
    said(store_url, "rebuild", NEWER, "count", "--no-swap")
    told = said(store_url, "status", store_url)
    assert "count v2" in told
    assert "building: no rebuild or worker is at it" in told
    assert "leftfold projections rebuild module:app count goes on, abandon drops it" in told
    assert "the live rows are as they were" in said(store_url, "abandon", store_url, "count", "--why", "a mistake")
    assert "count v2" not in said(store_url, "status", store_url)
    assert total(store) == OLD


def test_changed_code_is_accepted_where_it_makes_no_difference(store: lf.EventStore, store_url: str) -> None:
    changed = lf.projection(Count, category="Thing", on=[Thing], name="count")(lambda row, recorded: row)
    store.projector([changed]).accept_changes("count")
    with pytest.raises(lf.errors.ProcessorOutdated, match="accept"):
        store.projector([count]).catch_up()
    assert "are taken for those of this code" in said(
        store_url, "accept-changes", APP, "count", "--why", "renamed a name"
    )
    store.projector([count]).catch_up()
    assert "renamed a name" in said(store_url, "audit", store_url)


@pytest.mark.exhaustive
def test_a_deployment_takes_over_from_running_workers(store: lf.EventStore, store_url: str) -> None:
    with worker(store_url, WELL), worker(store_url, NEWER):
        eventually(lambda: states(store_url)["count"]["state"] == "current", "the old code runs")
        said(store_url, "rebuild", NEWER, "count")
        written = store.append("Thing-late", [Thing(n=50)])
        store.view(Count).wait_for(written.position, timeout=20)
        assert total(store) == NEW + 1000, "by the worker of the new code"


@pytest.mark.exhaustive
def test_ctrl_c_leaves_the_live_rows_and_the_same_command_goes_on(store: lf.EventStore, store_url: str) -> None:
    for _ in range(20):
        store.append("Thing-1", [Thing(n=1)] * 10)
    with Process(command, "projections", "rebuild", PATIENT, "count", "--parts", "1", OPS_URL=store_url) as process:
        eventually(lambda: building(store_url) > 0, "it is under way")
        process.send(signal.SIGINT)
        assert process.wait(20) == 130
        assert "the same command goes on" in process.stderr.read()
    stood = building(store_url)
    assert total(store) == OLD
    assert f"({240 - stood} events folded" in said(store_url, "rebuild", PATIENT, "count")


def building(url: str) -> int:
    """How far it is."""
    found = json.loads(said(url, "status", url, "--json"))
    return max((one["position"] for one in found if one["role"] == "shadow"), default=0)


def test_a_rebuild_without_the_code_is_refused(store: lf.EventStore, store_url: str) -> None:
    for arguments, remark in (
        (("rebuild", store_url, "count"), "needs the projection's code"),
        (("rebuild", NEWER, "nothing"), "nothing"),
        (("rollback", store_url, "count"), "has no former rows to go back to"),
        (("abandon", store_url, "count"), "has no rows that are being built"),
        (("accept-changes", NEWER, "count", "--why", "x"), r"projector.rebuild('count')"),
    ):
        done = ran(store_url, *arguments)
        assert done.returncode == 1, arguments
        [line] = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert remark in line


def shown(one: lf.results.RebuildProgress, **options: Any) -> str:
    text = io.StringIO()
    with ProgressDisplay(Console(file=text, width=120, **options)) as display:
        display.show(one)
    return text.getvalue()


def test_a_terminal_shows_a_bar_and_a_log_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    half = lf.results.RebuildProgress("count", "building", 1_500, 3_000, 750.0, 2.0)
    bar = shown(half, force_terminal=True)
    assert "building count" in bar
    assert "50 %" in bar
    assert "1,500 of 3,000, 750/s, 2.0 s left" in bar
    assert shown(half) == "", "not at once"
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0)
    assert shown(half) == "building count: 1,500 of 3,000, 750/s, 2.0 s left\n"
    assert describe(lf.results.RebuildProgress("count", "swapping", 3, 3, 0.0, None)) == "3 of 3"
