"""The benchmark runs from end to end, and its table says what was measured."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.cases import QUICK, Case, Growth, Measurement, Size, Target, cases
from benchmarks.courses import POPULAR, new_subscriptions, subscriptions, terms
from benchmarks.table import Line, footnotes, lines, markdown
from benchmarks.timing import calls_per_second, calls_per_second_of_threads, seconds_in_turn

ROOT = Path(__file__).resolve().parents[2]
OURS = Measurement("ours", "postgresql", "append")
PEER = Measurement("peer", "postgresql", "append")


def run(*options: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *options], capture_output=True, text=True, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.exhaustive
def test_every_case_can_be_measured_of_every_side() -> None:
    printed = run("--markdown")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    rows = [cells for cells in table[2:] if any(cells[1:])]
    expected = cases(QUICK)
    assert [cells[0] for cells in rows] == [case.name for case in expected]
    for case, (_, ours, peer, _, raw, *_) in zip(expected, rows, strict=True):
        assert is_figure(ours)
        assert is_figure(peer) == (case.peer is not None)
        assert is_figure(raw) == (case.raw is not None)
    assert "fsync on" in printed


def test_what_the_peer_cannot_do_is_said() -> None:
    for case in cases(Size()):
        assert case.peer is not None or "peer" in case.notes, case.name


def is_figure(cell: str) -> bool:
    return re.fullmatch(r"[\d,.]+(/s| ms)(\\\*)?", cell) is not None


@pytest.mark.exhaustive
def test_without_the_peer_the_others_are_measured() -> None:
    printed = run("--no-peer", "--only", "sqlite: append, one after another")
    [row] = [line for line in printed.splitlines() if "append, one after another" in line]
    assert [cell.strip().endswith("/s") for cell in row.split("│")[2:6]] == [True, False, False, True]


@pytest.mark.exhaustive
def test_a_slower_disk_slows_whatever_is_flushed() -> None:
    """The server and its files, too; without a compiler it is said what is needed."""
    command = ("--no-peer", "--flush-ms", "20", "--markdown", "--only", "append, one after another")
    if sys.platform != "linux" or not shutil.which("cc"):
        ran = subprocess.run([sys.executable, "-m", "benchmarks", *command], capture_output=True, text=True, cwd=ROOT)
        assert ran.returncode == 1
        assert "needs Linux and a C compiler" in ran.stderr
        return
    printed = run(*command)
    rows = [line.split("|") for line in printed.splitlines() if line.startswith("| append, one after another")]
    figures = [float(cell.strip().removesuffix("/s")) for cells in rows for cell in (cells[2], cells[5])]
    assert len(figures) == 4
    assert all(0 < figure <= 50 for figure in figures)
    assert re.search(r"A flush of 8 KB takes \d\d+\.\d\d ms, 20 of them added", printed)


@pytest.mark.parametrize(
    ("ours", "peer", "unit", "ratio"), [(500.0, 100.0, "/s", 5.0), (0.02, 0.1, "s", 5.0), (50.0, 100.0, "/s", 0.5)]
)
def test_a_ratio_is_over_one_when_leftfold_is_better(ours: float, peer: float, unit: str, ratio: float) -> None:
    case = Case("a case", OURS, PEER, unit="s" if unit == "s" else "/s", targets=(Target("peer", 2.5),))
    [line] = lines([case], {OURS: ours, PEER: peer})
    assert line.ratio("peer") == pytest.approx(ratio)
    assert line.met is (ratio >= 2.5)


def test_a_target_whose_side_was_left_out_is_neither_met_nor_missed() -> None:
    case = Case("a case", OURS, PEER, targets=(Target("peer", 2.5),))
    [line] = lines([case], {OURS: 500.0})
    assert line.met is None
    assert "not measured" in markdown([line])


def test_a_missed_target_is_told() -> None:
    case = Case("a case", OURS, PEER, targets=(Target("peer", 2.5),), notes={"peer": "on Sundays"})
    line = Line(case, ours=200.0, peer=100.0, raw=None)
    assert r"| a case | 200/s | 100/s\* | 2.00 | – | – | ≥ 2.5 × peer: MISSED |" in markdown([line])
    assert footnotes([line]) == ["* on Sundays"]


@pytest.mark.parametrize(("large", "verdict"), [(0.0013, "1.30): met"), (0.00131, "1.31): MISSED")])
def test_what_grows_with_the_log_is_told(large: float, verdict: str) -> None:
    case = Case("a case", OURS, unit="s", itself=PEER, targets=(Growth(1.3, "10,000"),))
    line = Line(case, ours=large, peer=None, raw=None, itself=0.001)
    assert f"≤ 1.3 × its 1.00 ms at 10,000 (is {verdict}" in markdown([line])
    assert Line(case, ours=large, peer=None, raw=None).met is None


def test_what_takes_turns_is_measured_each_by_itself() -> None:
    called: list[str] = []
    slow = threading.Event()

    def act(name: str, seconds: float) -> None:
        called.append(name)
        slow.wait(seconds)

    quick, long = seconds_in_turn([lambda: act("quick", 0.0), lambda: act("long", 0.005)], 0.05)
    assert quick < 0.005 <= long
    assert called == ["quick", "long"] * (len(called) // 2)


@pytest.mark.parametrize("events", [1_000, 10_000, 20_000])
def test_new_subscriptions_are_new_and_callers_share_no_tags(events: int) -> None:
    stored = [one for term in terms(events) for of_student in subscriptions(term) for one in of_student]
    assert len(stored) == len(set(stored)) == events
    assert sum(course == POPULAR for _, course in stored) == events // 100
    new = list(islice(new_subscriptions(events), 500))
    assert len(set(new)) == len(new)
    assert not set(new) & set(stored)
    assert list(islice(new_subscriptions(events, start=7), 493)) == new[7:]
    tags = [{tag for one in islice(new_subscriptions(events, caller, 8), 60) for tag in one} for caller in range(8)]
    assert len(set().union(*tags)) == sum(map(len, tags))


def test_threads_are_counted_together() -> None:
    one = calls_per_second(threading.Event().is_set, 0.05)
    assert one > 1000
    slow = threading.Event()
    assert calls_per_second_of_threads([lambda: slow.wait(0.01)] * 4, 0.3) > 1.5 * calls_per_second(
        lambda: slow.wait(0.01), 0.3
    )


def test_a_callers_error_is_raised() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        calls_per_second_of_threads([fail, fail], 0.1)
