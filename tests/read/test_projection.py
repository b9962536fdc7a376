"""Projections as pure functions: keys, the rules of the fold, and a page folded."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import leftfold as lf
from leftfold.events import Query, default_registry
from leftfold.read.apply.keyed import RowCache
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.fold import assign_keys, changes, fold_page
from leftfold.read.projection.keyed import DELETE, Delete, Projection
from tests.read.bank import CATEGORY, Balance, Closed, Deposited, Opened, balances, recorded_event

ALICE = Balance("alice", "Alice")


def returning(answer: Any, **options: Any) -> Projection[Balance]:
    """A projection that always returns ``answer``, or what it returns when called."""

    @projection(Balance, name="returning", **options)
    def fold(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | Delete | None:
        result: Balance | Delete | None = answer(row, recorded) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
        return result

    return fold


def test_a_projection_is_still_the_function_it_was() -> None:
    row = balances(None, recorded_event(Opened(owner="Alice")))
    assert row == Balance("alice", "Alice")
    assert balances(ALICE, recorded_event(Closed())) is DELETE
    assert (balances.name, balances.version, balances.model) == ("balances", 1, Balance)
    assert "balances" in repr(balances)
    assert balances.__name__ == "balances"  # type: ignore[attr-defined]


def test_category_and_types_make_the_query() -> None:
    assert balances.query(default_registry) == Query.of(Opened, Deposited, Closed, category=CATEGORY)

    @projection(Balance, on=[Opened | Deposited, "old.name"])
    def several(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | None:
        return row

    assert several.query(default_registry) == Query.of(Opened, Deposited, "old.name")


def test_the_key_is_the_id_of_the_stream_unless_said_otherwise() -> None:
    event = recorded_event(Opened(owner="Alice"), stream="ReadAccount-a-b")
    assert list(balances.keys_of(event)) == ["a-b"]
    assert list(returning(None, key=lambda recorded: recorded.event.owner).keys_of(event)) == ["Alice"]
    assert list(returning(None, key=lambda _: None).keys_of(event)) == []
    assert list(returning(None, key=lambda _: ["x", "y", "x"]).keys_of(event)) == ["x", "y"]


def test_a_key_of_the_wrong_type_is_refused() -> None:
    event = recorded_event(Opened(owner="Alice"))
    for wrong in (7, ("a", "b"), ["a", 7], "a\0"):
        with pytest.raises(lf.InvalidArgument, match=r"no key of Balance|a key of Balance"):
            returning(None, key=lambda _, wrong=wrong: wrong).keys_of(event)


def test_a_key_that_is_no_stream_id_must_be_told() -> None:
    class ById(ReadModel):
        id: Key[UUID]

    class Pair(ReadModel):
        one: Key[str]
        two: Key[str]

    for model in (ById, Pair):
        with pytest.raises(lf.InvalidArgument, match="say key="):
            projection(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 0}, "whole number from 1"),
        ({"version": True}, "whole number from 1"),
        ({"category": "a-b"}, "no category"),
        ({"on": []}, "no event at all"),
        ({"on": "read.opened"}, "list of event types"),
        ({"on": Opened}, "list of event types"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_at_the_definition(options: dict[str, Any], message: str) -> None:
    with pytest.raises(lf.InvalidArgument, match=message):
        projection(Balance, **options)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(lf.InvalidArgument, match="no name for a projection"):
        projection(Balance, name="")(lambda row, recorded: None)


def test_a_model_that_is_no_read_model_is_refused() -> None:
    wrong: Any = Opened
    with pytest.raises(lf.InvalidArgument, match="no read model"):
        projection(wrong)


def test_an_event_makes_changes_keeps_or_deletes_a_row() -> None:
    event = recorded_event(Opened(owner="Alice"))
    assert returning(ALICE).evolve(None, event, "alice") == ALICE
    assert returning(ALICE.replace(deposits=1)).evolve(ALICE, event, "alice") == ALICE.replace(deposits=1)
    assert returning(lambda row, _: row).evolve(ALICE, event, "alice") is ALICE
    assert returning(DELETE).evolve(ALICE, event, "alice") is None
    assert returning(DELETE).evolve(None, event, "alice") is None
    assert returning(None).evolve(None, event, "alice") is None


def test_a_forgotten_return_is_an_error() -> None:
    with pytest.raises(lf.InvalidArgument, match=r"returned None for 'alice'.*forgotten return"):
        returning(None).evolve(ALICE, recorded_event(Closed()), "alice")


def test_a_row_of_another_key_is_an_error() -> None:
    with pytest.raises(lf.InvalidArgument, match="returned the row of 'bob' for 'alice'"):
        returning(Balance("bob", "Bob")).evolve(ALICE, recorded_event(Closed()), "alice")


def test_what_is_no_row_is_an_error() -> None:
    for wrong in ("alice", Opened(owner="Alice"), True, Delete):
        with pytest.raises(lf.InvalidArgument, match="expected a row of Balance"):
            returning(lambda _, __, wrong=wrong: wrong).evolve(None, recorded_event(Closed()), "alice")


def test_a_row_that_the_table_cannot_keep_is_an_error() -> None:
    with pytest.raises(lf.InvalidArgument, match=r"Balance\.amount of 'alice'"):
        returning(ALICE.replace(amount=Decimal("0.00001"))).evolve(None, recorded_event(Closed()), "alice")


def history(*events: Any, stream: str = "ReadAccount-alice") -> list[lf.RecordedEvent]:
    return [recorded_event(event, position, stream) for position, event in enumerate(events, start=1)]


def test_a_page_is_folded_key_by_key_and_what_was_there_is_left_as_it_is() -> None:
    events = history(Opened(owner="Alice"), Deposited(amount=Decimal(2)), Deposited(amount=Decimal(3)))
    events += history(Closed(), stream="ReadAccount-bob")
    page = assign_keys(balances, events, None)
    assert page.all_keys() == ["alice", "bob"]
    before = {"alice": None, "bob": Balance("bob", "Bob")}
    folded = fold_page(balances, page, before)
    assert (folded.events, folded.failure) == (4, None)
    assert before == {"alice": None, "bob": Balance("bob", "Bob")}
    rows, deleted = changes(before, folded.rows)
    assert [(row.account_id, row.amount, row.deposits) for row in rows] == [("alice", Decimal(5), 2)]
    assert deleted == ["bob"]


def test_a_row_made_and_deleted_in_one_page_is_no_change() -> None:
    page = assign_keys(balances, history(Opened(owner="Alice"), Closed()), None)
    folded = fold_page(balances, page, {"alice": None})
    assert changes({"alice": None}, folded.rows) == ([], [])


def test_a_page_stops_in_front_of_the_event_that_fails() -> None:
    events = history(Opened(owner="Alice"), Deposited(amount=Decimal(10) ** 20), Deposited(amount=Decimal(1)))
    folded = fold_page(balances, assign_keys(balances, events, None), {"alice": None})
    assert folded.events == 1
    assert folded.rows == {"alice": Balance("alice", "Alice")}
    assert folded.failure is not None
    assert (folded.failure.position, folded.failure.type) == (2, "read.deposited")
    assert isinstance(folded.failure.__cause__, lf.InvalidArgument)


def test_an_event_of_several_keys_is_applied_to_all_of_them_or_to_none() -> None:
    def add(row: Balance | None, recorded: lf.RecordedEvent) -> Balance:
        assert row is not None, "the second row is missing"
        return row.replace(deposits=row.deposits + 1)

    both = returning(add, key=lambda _: ["alice", "bob"])
    page = assign_keys(both, history(Closed()), None)
    folded = fold_page(both, page, {"alice": ALICE, "bob": None})
    assert folded.rows == {"alice": ALICE, "bob": None}
    assert folded.failure is not None
    assert "AssertionError: the second row is missing" in str(folded.failure)


def test_a_key_that_cannot_be_told_stops_the_page_there() -> None:
    failing = returning(ALICE, key=lambda recorded: recorded.event.owner)
    page = assign_keys(failing, history(Opened(owner="alice"), Closed(), Opened(owner="alice")), None)
    assert len(page.events) == len(page.keys) == 1
    folded = fold_page(failing, page, {"alice": None})
    assert folded.events == 1
    assert folded.failure is not None
    assert folded.failure.position == 2
    assert isinstance(folded.failure.__cause__, AttributeError)


def test_a_cache_gives_up_what_was_used_least_recently() -> None:
    cache = RowCache(2)
    cache.remember({"a": ALICE, "b": None})
    cache.remember({"a": ALICE})
    cache.remember({"c": ALICE})
    assert cache.known(["a", "b", "c", "d"]) == {"a": ALICE, "c": ALICE}
