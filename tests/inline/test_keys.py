"""Which rows an append touches: told before it is stored, the same in every process, verified afterwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

import leftfold as lf
from leftfold.log.append import Append
from leftfold.log.inline.protocol import StoredAppend
from leftfold.read.inline import projections as inline
from leftfold.read.inline.projections import MOST_TRIES, InlineProjections
from leftfold.testing.conformance.facts import an_append, counted, registry
from tests.inline.conftest import Open
from tests.inline.models import ALL, Daily, Tally, assert_exact, days, number_of, shares, stored, tallies


class Place(lf.ReadModel):
    place: lf.Key[int]
    visits: int = 0


def _places(recorded: lf.RecordedEvent) -> Any:
    """0 is no place, 1000 + a the place a, anything else below 100 are two, its digits."""
    number = number_of(recorded)
    return None if number == 0 else number % 1000 if number >= 100 else [number // 10, number % 10]


@lf.projection(Place, on=["conformance.counted"], key=_places)
def places(row: Place | None, recorded: lf.RecordedEvent) -> Place | lf.types.Delete | None:
    number = number_of(recorded)
    if number >= 2000:
        return lf.DELETE
    return Place(number % 1000) if number >= 1000 else row and row.replace(visits=row.visits + 1)


def test_an_event_may_concern_several_rows_or_none_and_delete_them(connect: Open, looking: lf.EventStore) -> None:
    async def check() -> None:
        async with connect(inline=[places]) as store:
            await store.append("Walk-a", counted(6, 1001))
            await asyncio.gather(*(store.append(f"Walk-{one}", counted(1, one % 100)) for one in range(200)))
            await store.append("Walk-a", [*counted(1, 2003), *counted(1, 13)])
        assert stored(looking, Place).keys() == {1, 2, 4, 5, 6}
        assert_exact(looking, [places])

    asyncio.run(check())


def test_a_key_that_cannot_be_told_refuses_the_append(connect: Open, looking: lf.EventStore) -> None:
    @lf.projection(Place, on=["conformance.counted"], key=lambda recorded: 100 // number_of(recorded), name="broken")
    def broken(row: Place | None, recorded: lf.RecordedEvent) -> Place:
        return Place(100 // number_of(recorded))

    async def check() -> None:
        async with connect(inline=[broken]) as store:
            outcomes = await asyncio.gather(
                *(store.append(f"Walk-{one}", counted(1, one % 4)) for one in range(12)), return_exceptions=True
            )
            batch = await store.append_batch([an_append("Walk-a", counted(1, 0)), an_append("Walk-a", counted(1, 5))])
        failed = [outcome for outcome in [*outcomes, *batch] if isinstance(outcome, lf.ProcessorFailed)]
        assert [one.reason for one in failed] == ["ZeroDivisionError: integer division or modulo by zero"] * 4
        assert isinstance(batch[1], lf.AppendResult)
        assert len(list(looking.read_all())) == 10

    asyncio.run(check())


def test_a_key_may_be_the_day_on_which_the_store_learns_it(
    connect: Open, looking: lf.EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if that turns out to be another day than the process thought."""
    guesses: list[Append] = []

    def a_day_late(append: Append) -> StoredAppend:
        guesses.append(append)
        at = datetime.now(UTC) - timedelta(days=1)
        return StoredAppend(0, append, 0, [0] * len(append.events), 0, at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    monkeypatch.setattr(inline, "_provisional", a_day_late)

    async def check() -> None:
        async with connect(inline=[days, tallies]) as store:
            await asyncio.gather(*(store.append(f"Thing-{one % 5}", counted(2)) for one in range(20)))
            past = datetime(2020, 2, 29, 12, tzinfo=UTC)
            facts = [lf.NewEvent(one.event, occurred_at=past) for one in counted(2)]
            await store.append_all([lf.Write("Thing-a", facts), lf.Write("Thing-b", counted(1))])
        assert len(guesses) == 22
        assert stored(looking, Daily)[date(2020, 2, 29)].events == 2
        assert_exact(looking, [days, tallies])

    asyncio.run(check())


def test_a_key_that_is_not_known_before_is_refused_and_fails_nobody_else(connect: Open, looking: lf.EventStore) -> None:
    @lf.projection(
        Place,
        on=["conformance.counted"],
        key=lambda recorded: recorded.position if number_of(recorded) == 7 else 0,
        name="by_position",
    )
    def by_position(row: Place | None, recorded: lf.RecordedEvent) -> Place:
        return (row or Place(0)).replace(visits=1 if row is None else row.visits + 1)

    async def check() -> None:
        async with connect(inline=[by_position]) as store:
            outcomes = await asyncio.gather(
                *(store.append(f"Walk-{one % 3}", counted(1, one)) for one in range(20)), return_exceptions=True
            )
            with pytest.raises(lf.ProcessorFailed, match="must follow from the stream and the event"):
                await store.append_all([lf.Write("Walk-a", counted(1, 7)), lf.Write("Walk-b", counted(1, 8))])
        [failed] = [outcome for outcome in outcomes if not isinstance(outcome, lf.AppendResult)]
        assert isinstance(failed, lf.ProcessorFailed)
        assert "with each attempt" in failed.reason
        assert stored(looking, Place) == {0: Place(0, 19)}

    asyncio.run(check())


def test_a_key_may_be_the_version_that_is_only_known_behind_the_lock(connect: Open, looking: lf.EventStore) -> None:
    """It costs a second attempt, and never more than `MOST_TRIES`."""

    @lf.projection(Place, on=["conformance.counted"], key=lambda recorded: recorded.version, name="by_version")
    def by_version(row: Place | None, recorded: lf.RecordedEvent) -> Place:
        row = row or Place(recorded.version)
        return row.replace(visits=row.visits + 1)

    async def check() -> None:
        async with connect(inline=[by_version]) as store:
            for turn in range(4):
                await asyncio.gather(*(store.append(f"Walk-{one}", counted(1, turn)) for one in range(10)))
        assert stored(looking, Place) == {one: Place(one, 10) for one in range(1, 5)}

    assert MOST_TRIES >= 2
    asyncio.run(check())


def test_a_key_or_a_fold_that_is_not_pure_ends_in_a_refusal(connect: Open, looking: lf.EventStore) -> None:
    calls = count()

    @lf.projection(Place, on=["conformance.counted"], key=lambda _: next(calls), name="counting")
    def counting(row: Place | None, recorded: lf.RecordedEvent) -> Place:
        raise AssertionError

    @lf.projection(Tally, category="Thing", on=["conformance.counted"], name="moody")
    def moody(row: Tally | None, recorded: lf.RecordedEvent) -> Tally:
        if next(calls) % 2 == 0:
            raise ValueError("not now")
        return row or Tally(recorded.stream_id)

    async def check() -> None:
        async with connect(inline=[counting]) as store, asyncio.timeout(60):
            for outcome in await asyncio.gather(
                *(store.append(f"Walk-{one}", counted(1)) for one in range(5)), return_exceptions=True
            ):
                assert isinstance(outcome, lf.ProcessorFailed)
        looking.projector([]).switch("counting", to="background")
        looking.projector([moody]).switch("moody", to="inline")
        async with connect(inline=[moody]) as store, asyncio.timeout(60):
            outcomes = await asyncio.gather(
                *(store.append(f"Thing-{one}", counted(1)) for one in range(5)), return_exceptions=True
            )
            assert {type(one) for one in outcomes} <= {lf.ProcessorFailed, lf.AppendResult}
        assert len(list(looking.read_all())) == stored_count(outcomes) == looking.view(Tally).count()

    asyncio.run(check())


def stored_count(outcomes: list[Any]) -> int:
    return sum(isinstance(one, lf.AppendResult) for one in outcomes)


class Many(lf.ReadModel):
    amount: lf.Key[Decimal]
    at: lf.Key[datetime]


def test_a_row_is_locked_by_one_number_however_its_key_is_written(looking: lf.EventStore) -> None:
    noon = datetime(2026, 1, 16, 12, tzinfo=UTC)
    forms: list[Any] = [
        (Decimal("1.5"), noon),
        (Decimal("1.5000"), noon.astimezone(timezone(timedelta(hours=5, minutes=30)))),
        (Decimal("15E-1"), noon),
    ]
    number = 0

    @lf.projection(Many, key=lambda _: forms[number], on=["conformance.counted"])
    def many(row: Many | None, recorded: lf.RecordedEvent) -> Many:
        raise AssertionError

    told = InlineProjections(looking._log.database, registry, [many])
    locks = []
    for number in range(len(forms)):  # noqa: B007 - the key sees it
        touched = told.with_row_locks(an_append("Thing-a", counted(1))).row_locks
        assert touched is not None
        locks.append(touched.locks)
    assert locks == [(1697387904,)] * 3, "every process, also of another version, must lock the same"


def test_a_row_of_a_stream_needs_no_lock_of_its_own(looking: lf.EventStore) -> None:
    append = an_append("Thing-a", counted(3))
    assert InlineProjections(looking._log.database, registry, [tallies]).with_row_locks(append) is append
    touched = InlineProjections(looking._log.database, registry, ALL).with_row_locks(append).row_locks
    assert touched is not None
    assert len(touched.locks) == 4  # three shares and a day


def test_whoever_touches_very_many_rows_takes_the_whole_log(connect: Open, looking: lf.EventStore) -> None:
    @lf.projection(Place, on=["conformance.counted"], key=lambda one: list(range(number_of(one))), name="wide")
    def wide(row: Place | None, recorded: lf.RecordedEvent) -> Place | None:
        return row

    async def check() -> None:
        async with connect(inline=[wide, shares]) as store, connect(inline=[wide, shares]) as other:
            await asyncio.gather(
                *(one.append(f"Walk-{turn % 4}", counted(1, 700)) for turn in range(8) for one in (store, other)),
                *(one.append(f"Walk-{turn % 4}", counted(1, 3)) for turn in range(20) for one in (store, other)),
            )
        assert_exact(looking, [wide, shares])
        assert len(list(looking.read_all())) == 56

    asyncio.run(check())
