"""Old and new rows compared as of one moment, while events come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.front.projector import Projector
from tests.read.bank import CATEGORY, Deposited, Opened, balances, fill, folded, run_sql, stored, stream
from tests.read.test_worker import running
from tests.read.versions import doubled, statements, versions


@pytest.fixture
def live(store_url: str) -> Iterator[lf.EventStore]:
    """A store whose projection of version 1 is up to date."""
    with lf.connect(store_url) as store:
        fill(store, 90)
        Projector(store._log, [balances]).catch_up()
        yield store


def compared(store: lf.EventStore, by: Any, **options: Any) -> lf.results.RebuildComparison:
    done = store.projector([by]).rebuild("balances", compare=True, swap=False, **options)
    assert done.comparison is not None
    return done.comparison


def test_every_row_that_differs_is_counted_and_some_are_shown(live: lf.EventStore) -> None:
    old, new = folded(live), folded(live, doubled)
    differing = sorted(key for key in old if old[key] != new[key])
    found = compared(live, doubled)
    assert (found.rows.changed, found.rows.unchanged) == (len(differing), len(old) - len(differing))
    assert (found.rows.added, found.rows.removed, found.left_out) == (0, 0, 0)
    assert [one.key for one in found.rows.sample] == differing[:20]
    assert found.rows.sample[0].fields == {"amount": (old[differing[0]].amount, new[differing[0]].amount)}
    assert f"{len(differing)} changed" in str(found)
    assert versions(live) == {"live": 1, "shadow": 2}


def test_rows_that_are_as_they_should_be_are_found_equal(live: lf.EventStore) -> None:
    found = compared(live, balances)
    assert (found.rows.count, found.rows.unchanged) == (0, len(folded(live)))


def test_what_has_been_tampered_with_is_found(live: lf.EventStore) -> None:
    schema = live._log.database.schema
    table = f"{schema + '.' if schema else ''}balance"
    one, other = sorted(folded(live))[:2]
    run_sql(live._log.database, f"DELETE FROM {table} WHERE account_id = '{one}'")
    run_sql(live._log.database, f"UPDATE {table} SET owner = 'nobody' WHERE account_id = '{other}'")
    found = compared(live, balances)
    assert [(each.key, each.kind) for each in found.rows.sample] == [(one, "added"), (other, "changed")]
    live.projector([balances]).rebuild("balances")
    assert stored(live) == folded(live)


def test_fields_that_only_one_side_has_are_named_and_the_others_compared(live: lf.EventStore) -> None:
    found = compared(live, statements)
    assert set(found.dropped) == {"deposits", "last_at", "amount"}
    assert set(found.added) == {"entries", "amount"}, "of another type"
    assert (found.rows.count, found.rows.unchanged) == (0, len(folded(live)))
    assert "fields that only the new rows have: amount, entries" in str(found)


def test_rows_under_another_key_are_not_compared(live: lf.EventStore) -> None:
    class ByOwner(lf.ReadModel, table="balance"):
        owner: lf.Key[str]

    @lf.projection(
        ByOwner, category=CATEGORY, on=[Opened], version=2, name="balances", key=lambda recorded: recorded.event.owner
    )
    def by_owner(row: ByOwner | None, recorded: lf.RecordedEvent) -> ByOwner:
        return ByOwner(recorded.event.owner)

    with pytest.raises(lf.NotSupported, match=r"another key \(owner is not the same\)"):
        compared(live, by_owner)
    assert stored(live) == folded(live)
    live.projector([by_owner]).rebuild("balances")
    assert versions(live) == {"live": 2, "former": 1}


def test_the_new_rows_wait_where_the_live_ones_stand(live: lf.EventStore) -> None:
    before = folded(live, doubled)
    for number in range(30):
        live.append(stream(f"later-{number}"), [Opened(owner="x"), Deposited(amount=Decimal(1))])
    found = compared(live, doubled, parts=4)
    assert (found.rows.added, found.rows.removed, found.left_out) == (0, 0, 0), "nothing is told of what came later"
    assert found.rows.changed + found.rows.unchanged == len(before)


def test_keys_on_their_way_are_left_out(live: lf.EventStore) -> None:
    live.projector([doubled]).rebuild("balances", swap=False)
    live.append(stream("late"), [Opened(owner="x")])
    live.projector([balances]).catch_up()
    live.append(stream("later"), [Opened(owner="x")])
    live.projector([doubled]).rebuild("balances", swap=False)
    found = compared(live, doubled)
    assert (found.left_out, found.rows.added, found.rows.removed) == (1, 0, 0)
    assert "1 key is left out" in str(found)


@pytest.mark.exhaustive
def test_differences_are_never_of_time_however_many_events_come(live: lf.EventStore, store_url: str) -> None:
    over = threading.Event()

    def append() -> None:
        number = 0
        while not over.is_set():
            number += 1
            live.append(stream(f"busy-{number % 30}-{number // 300}"), [Opened(owner="x")])

    with running(store_url, balances), running(store_url, balances):
        thread = threading.Thread(target=append)
        thread.start()
        try:
            with lf.connect(store_url) as other:
                for _ in range(2):
                    found = compared(other, balances, parts=2)
                    assert found.rows.count == 0, str(found)
                    other.projector([balances]).abandon("balances")
        finally:
            over.set()
            thread.join(30)


def test_there_must_be_something_to_compare_with(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 10)
        with pytest.raises(lf.NotSupported, match="there are no live ones"):
            compared(store, balances)


def test_sql_projections_are_compared_by_sql_of_ones_own(store_url: str) -> None:
    from tests.read.test_sql_projection import Totals

    with lf.connect(store_url) as store:
        fill(store, 30)
        projector = store.projector([Totals()])
        projector.catch_up()
        with pytest.raises(lf.NotSupported, match="compare owner_totals with what has __next behind the name yourself"):
            projector.rebuild("Totals", compare=True)
