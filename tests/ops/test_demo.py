"""The demo on both back ends: every act says what it should, again and again, on narrow and wide terminals."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

import leftfold as lf
from leftfold.ops.demo.performance import run_demo


def performed(url: str | None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    run_demo(url, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def check_story(shown: str) -> None:
    said = re.sub(r"\s+", " ", shown)
    for words in (
        'bank.money-deposited {"amount":"200"} 2026-01-10',
        "→ saved: version 4, balance 120.00",
        "ConcurrencyError: stream 'BankAccount-alice",
        "is at version 4, expected version 3",
        "→ loaded and decided at version 4, then at version 5; saved as version 6",
        "holds 25: 1000 cannot be withdrawn → still version 6, balance 25.00",
        "→ 200.00, before the withdrawal of the 20th",
        "→ 225.00, as we know it today → 200.00, as we knew it before we were told",
        "Alice 50.00 open 6",
        "Bob 0.00 closed 2 2026-01-28",
        "Old Firm Ltd. 12,496,500.00 open 5,000 2026-01-31",
        "→ rows left: 0",
        "3 rows of this demo, equal to those before",
    ):
        assert words in said, f"{words!r} is missing from:\n{shown}"


@pytest.mark.parametrize("width", [80, pytest.param(120, marks=pytest.mark.exhaustive)])
def test_the_demo_tells_its_story_within_the_terminal(width: int) -> None:
    shown = performed(None, width)
    check_story(shown)
    assert max(map(len, shown.splitlines())) <= width
    assert "1  BankAccount-alice  " in shown, "the stream's name stays on its line"


def test_the_demo_runs_again_on_the_same_database(store_url: str) -> None:
    first, second = performed(store_url), performed(store_url)
    check_story(first)
    check_story(second)
    with lf.connect(store_url) as store:
        streams = {recorded.stream for recorded in store.read_all()}
    assert len(streams) == 6
    assert all(stream in first or stream in second for stream in streams if "alice" in stream)


def test_a_snapshot_makes_the_long_account_faster() -> None:
    ratio = re.search(r"→ (\d+) times as fast, and the same account", performed(None))
    assert ratio
    assert int(ratio[1]) >= 5


def test_the_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert str(tmp_path) in performed(None, 200)
    assert list(tmp_path.iterdir()) == []
