"""Power cuts under SQLite: with the default setting nothing acknowledged is lost, with the weaker one only a tail."""

from __future__ import annotations

from pathlib import Path

import pytest

from leftfold.database.sqlite import database as sqlite
from tests.faults.power import Found, PoweredStore, total

CUTS_OF_ONE_STORE = 10
FEW = range(3)
MORE = range(3, 20)
"""Seeds of stores. The quick tier has a few, the exhaustive one has the others."""


def lose_power(home: Path, seeds: range, options: str = "", *, may_lose_its_tail: bool = False) -> Found:
    stores = []
    for seed in seeds:
        stores.append(PoweredStore(home, seed, options, may_lose_its_tail=may_lose_its_tail))
        for _ in range(CUTS_OF_ONE_STORE):
            stores[-1].live_until_the_power_goes()
    found = total(stores)
    print(
        f"\n{found.cuts} power cuts, {found.checkpoints} checkpoints, {found.acknowledged} acknowledged appends, "
        f"{found.lost} of them lost; of those under way {found.unknown_stored} were stored whole, "
        f"{found.unknown_gone} not at all; wrong: {len(found.wrong)}"
    )
    return found


@pytest.mark.parametrize("seeds", [FEW, pytest.param(MORE, marks=pytest.mark.exhaustive)], ids=["few", "more"])
def test_nothing_acknowledged_is_lost_when_the_power_goes(tmp_path: Path, seeds: range) -> None:
    found = lose_power(tmp_path, seeds)
    assert found.wrong == []
    assert found.lost == 0
    assert found.cuts == len(seeds) * CUTS_OF_ONE_STORE
    assert found.checkpoints > found.cuts, (
        "the WAL must have been moved into the file many times, else half is not tried"
    )
    assert found.unknown_stored > 0 < found.unknown_gone, "cuts must fall before and after the point of no return"


@pytest.mark.exhaustive
def test_the_weaker_setting_loses_only_what_came_after_the_last_flush(tmp_path: Path) -> None:
    found = lose_power(tmp_path, range(5), "?synchronous=normal", may_lose_its_tail=True)
    assert found.wrong == []
    assert found.lost > 0, "the disk must take something that was not flushed, else this shows nothing"


def test_a_store_that_never_flushes_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sqlite._FLUSHES, "full", "OFF")
    found = lose_power(tmp_path, range(2))
    assert any("acknowledged" in line and "and lost" in line for line in found.wrong), found.wrong


@pytest.mark.exhaustive
def test_a_store_that_flushes_less_than_its_setting_says_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sqlite._FLUSHES, "full", "NORMAL")
    found = lose_power(tmp_path, range(2))
    assert any("acknowledged" in line and "and lost" in line for line in found.wrong), found.wrong
