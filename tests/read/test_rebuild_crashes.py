"""Rebuilds that die between any two transactions, and are gone on with."""

from __future__ import annotations

from typing import Any

import pytest

import leftfold as lf
from leftfold.front.projector import Projector
from tests.read.bank import DyingDatabase, Killed, balances, fill, folded, stored
from tests.read.versions import doubled, versions


@pytest.mark.parametrize("after_commit", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_killed_at_any_transaction_it_is_gone_on_with(store_url: str, after_commit: bool) -> None:
    with lf.connect(store_url) as store:
        fill(store, 50)
        projector = Projector(store._log, [balances])
        lives, killed = 0, True
        while killed:
            lives += 1
            projector.reset("balances")
            projector.catch_up()
            dying: Any = DyingDatabase(store._log.database, lives, after_commit=after_commit)
            try:
                rebuild(store, dying)
                killed = False
            except Killed:
                assert stored(store) in (folded(store), folded(store, doubled))
            if "shadow" in versions(store) or versions(store)["live"] == 1:
                rebuild(store, store._log.database)
            assert stored(store) == folded(store, doubled)
            assert versions(store) == {"live": 2, "former": 1}
            projector.rollback("balances")
            projector.catch_up()
            assert stored(store) == folded(store)
        assert lives > 6


def rebuild(store: lf.EventStore, database: Any) -> None:
    Projector(store._log, [doubled], database=database, page_events=20, lease_seconds=0.1).rebuild("balances", parts=1)
