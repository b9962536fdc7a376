"""Every question to history is answered as a plain loop over the stream would, with a snapshot and without."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import leftfold as lf
from tests.write.bank import Account, Deposited, Remembered, account, remembered
from tests.write.conftest import Place

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
_ids = count(1)

offsets = st.one_of(st.none(), st.integers(-20, 20))  # days from the new year; None: now
saves = st.lists(st.lists(st.tuples(st.integers(1, 99), offsets), min_size=1, max_size=4), min_size=1, max_size=4)
questions = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(1, 14)), offsets, st.one_of(st.none(), st.integers(-1, 16))),
    min_size=1,
    max_size=8,
)


def day(offset: int) -> datetime:
    return NEW_YEAR + timedelta(days=offset)


def write(place: Place, id: str, history: list[list[tuple[int, int | None]]]) -> None:
    accounts = place.repository(Remembered)
    with accounts.create(id) as made:
        record(made, history[0])
    for events in history[1:]:
        with accounts.edit(id) as loaded:
            record(loaded, events)


def record(aggregate: Remembered, events: list[tuple[int, int | None]]) -> None:
    for amount, offset in events:
        occurred = None if offset is None else day(offset)
        aggregate.record(Deposited(amount=Decimal(amount)), occurred_at=occurred)


def asked(question: tuple[int | None, int | None, int | None], stream: list[lf.RecordedEvent]) -> dict[str, Any]:
    """A question's arguments; ``known_at`` just before, at and just after what the store has noted."""
    version, at, known = question
    moments = sorted({recorded.recorded_at for recorded in stream})
    known_at = None
    if known is not None:
        known_at = moments[max(0, known // 3) % len(moments)] + timedelta(microseconds=known % 3 - 1)
    return {"version": version, "at": None if at is None else day(at), "known_at": known_at}


def plainly(stream: list[lf.RecordedEvent], version: Any, at: Any, known_at: Any) -> list[Decimal] | None:
    """The movements that count, by a plain loop; None if there was no such account."""
    if version is not None and at is None and known_at is None and version > len(stream):
        return None
    counted = [
        recorded.event.amount
        for recorded in stream
        if (version is None or recorded.version <= version)
        and (at is None or recorded.occurred_at <= at)
        and (known_at is None or recorded.recorded_at <= known_at)
    ]
    return counted or None


def answer(get: Callable[..., Any], id: str, question: dict[str, Any]) -> Any:
    try:
        return get(id, **question)
    except lf.AggregateNotFound:
        return None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=saves, asking=questions)
def test_every_question_is_answered_as_by_a_plain_loop(
    place: Place, history: list[list[tuple[int, int | None]]], asking: list[tuple[int | None, int | None, int | None]]
) -> None:
    id = str(next(_ids))
    write(place, id, history)
    stream = list(place.store.read(f"Account-{id}"))
    assert [recorded.event.amount for recorded in stream] == [amount for events in history for amount, _ in events]
    for question in (asked(asked_for, stream) for asked_for in [(None, None, None), *asking]):
        expected = plainly(stream, **question)
        for of in (Account, Remembered):
            found = answer(place.repository(of).get, id, question)
            assert (None if found is None else found.movements) == expected
        for decider in (account, remembered):
            state = answer(place.deciding(decider).get, id, question)
            assert (None if state is None else state.balance) == (None if expected is None else sum(expected))


@pytest.fixture
def backdated(place: Place) -> Place:
    """Account ann: 1 on the 10th, 2 on the 20th, and 4 on the 5th, recorded last."""
    for amount, offset in ((1, 9), (2, 19), (4, 4)):
        place.store.append("Account-ann", [lf.NewEvent(Deposited(amount=Decimal(amount)), occurred_at=day(offset))])
    return place


@pytest.mark.parametrize(("date", "balance"), [(5, 4), (10, 5), (19, 5), (20, 7)])
def test_the_balance_on_a_date_counts_what_was_backdated(backdated: Place, date: int, balance: int) -> None:
    assert backdated.repository(Account).get("ann", at=day(date - 1)).balance == balance


def test_what_was_known_then_does_not_count_what_was_learnt_later(backdated: Place) -> None:
    second = list(backdated.store.read("Account-ann"))[1]
    known = backdated.repository(Account).get("ann", at=day(14), known_at=second.recorded_at)
    assert known.balance == 1
    assert backdated.repository(Account).get("ann", at=day(14)).balance == 5


def test_a_version_tells_its_own_version_and_position(backdated: Place) -> None:
    past = backdated.repository(Account).get("ann", version=2)
    assert past.version == 2
    assert past.balance == 3
    assert past.position == list(backdated.store.read("Account-ann"))[1].position


def test_history_cannot_record_nor_be_saved(backdated: Place) -> None:
    accounts = backdated.repository(Account)
    questions: list[dict[str, Any]] = [
        {"version": 3},
        {"at": day(400)},
        {"known_at": datetime.now(UTC) + timedelta(days=1)},
    ]
    for question in questions:
        past = accounts.get("ann", **question)
        with pytest.raises(lf.errors.HistoricalState, match="'ann' as it was; nothing new can happen in the past"):
            past.deposit(Decimal(1))
        with pytest.raises(lf.errors.HistoricalState, match="history cannot be saved"):
            accounts.save(past)
        assert past.pending == ()


def test_where_there_was_none_the_error_says_what_there_is(backdated: Place) -> None:
    accounts = backdated.repository(Account)
    with pytest.raises(lf.AggregateNotFound, match=r"no Account 'ann' at version 9: the stream .* is at version 3"):
        accounts.get("ann", version=9)
    with pytest.raises(lf.AggregateNotFound, match="no Account 'ann' as of 2026-01-04T00:00:00"):
        accounts.get("ann", at=day(3))
    with pytest.raises(lf.AggregateNotFound, match="as known at 2000"):
        accounts.get("ann", known_at=datetime(2000, 1, 1, tzinfo=UTC))


def test_a_question_that_makes_no_sense_is_refused(backdated: Place) -> None:
    accounts = backdated.repository(Account)
    with pytest.raises(lf.InvalidArgument, match="at is the naive datetime"):
        accounts.get("ann", at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(lf.InvalidArgument, match="known_at must be an aware datetime"):
        accounts.get("ann", known_at="yesterday")  # type: ignore[arg-type]
    for version in (0, -1, True, "1"):
        with pytest.raises(lf.InvalidArgument, match="version is a whole number from 1"):
            accounts.get("ann", version=version)  # type: ignore[arg-type]
