"""Comparisons: on both back ends, between now and then, the differences that plain dicts have, in the order of keys."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import pytest
from rich.console import Console

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.projector import Projector
from leftfold.front.view import View
from leftfold.read.model.definition import definition_of
from leftfold.read.model.fields import KeyMarker
from leftfold.read.model.model import Key, ReadModel, ReadModelMeta
from leftfold.read.projection.decorator import projection
from leftfold.read.tables import scan as scanning
from leftfold.read.tables.comparison import Comparison, Difference, compare_rows, key_order, merged
from tests.read.bank import Closed, Deposited, Opened, fill, stream

Row = TypeVar("Row", bound=ReadModel)


class Purse(ReadModel):
    account_id: Key[str]
    owner: str
    amount: Decimal = Decimal(0)
    last_at: datetime | None = None


@projection(Purse, category="ReadAccount", on=[Opened, Deposited, Closed])
def purses(row: Purse | None, recorded: lf.RecordedEvent) -> Purse | lf.types.Delete | None:
    event = recorded.event
    if isinstance(event, Opened):
        return Purse(recorded.stream_id, event.owner)
    if isinstance(event, Closed):
        return lf.DELETE
    assert row is not None
    return row.replace(amount=row.amount + event.amount, last_at=recorded.occurred_at)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


async def each(rows: Iterable[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


def compared(before: list[Purse], after: list[Purse], sample: int = 20) -> Comparison[Purse]:
    return step(compare_rows(each(before), each(after), definition_of(Purse), sample))


def by_dict(before: list[Any], after: list[Any]) -> list[Difference[Any]]:
    """The differences, by plain dicts."""
    ours, theirs = ({row.account_id: row for row in rows} for rows in (before, after))
    keys = sorted({*ours, *theirs})
    return [Difference(key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)]


def test_rows_are_added_removed_changed_or_left_alone() -> None:
    ann, bob, carol = (Purse(name, name.title()) for name in ("ann", "bob", "carol"))
    richer = bob.replace(amount=Decimal(5))
    comparison = compared([ann, bob], [richer, carol])
    assert comparison.sample == (
        Difference("ann", ann, None),
        Difference("bob", bob, richer),
        Difference("carol", None, carol),
    )
    assert [one.kind for one in comparison.sample] == ["removed", "changed", "added"]
    assert [one.fields for one in comparison.sample] == [{}, {"amount": (Decimal(0), Decimal(5))}, {}]
    assert (comparison.removed, comparison.changed, comparison.added) == (1, 1, 1)
    assert (comparison.count, comparison.unchanged) == (3, 0)
    assert compared([ann, bob], [ann, bob]) == Comparison("Purse", 0, 0, 0, 2, ())
    assert compared([], []).count == 0


def test_any_two_sets_of_rows_are_merged_as_dicts_would_be() -> None:
    rng = random.Random(7)
    for _ in range(300):
        before, after = (
            [Purse(key, rng.choice("ab")) for key in sorted(rng.sample("abcdefgh", rng.randrange(9)))] for _ in range(2)
        )
        expected = by_dict(before, after)
        comparison = compared(before, after)
        assert list(comparison.sample) == expected
        assert comparison.count == len(expected)
        assert comparison.count + comparison.unchanged == len({row.account_id for row in before + after})


def test_no_more_than_the_sample_is_kept() -> None:
    comparison = compared([], [Purse(f"{number:03}", "x") for number in range(50)], sample=2)
    assert [one.key for one in comparison.sample] == ["000", "001"]
    assert (comparison.added, comparison.count) == (50, 50)
    assert compared([], [Purse("a", "x")], sample=0) == Comparison("Purse", 1, 0, 0, 0, ())


def test_a_merge_reads_no_further_than_it_is_asked_to() -> None:
    asked = []

    async def endless(side: str) -> AsyncIterator[Purse]:
        for number in range(10**9):
            asked.append(side)
            yield Purse(f"{number:09}", side)

    async def first_three() -> list[Any]:
        pairs = merged(endless("left"), endless("right"), key_order(definition_of(Purse)))
        return [await anext(pairs) for _ in range(3)]

    assert [one.account_id for one, _ in step(first_three())] == [f"{number:09}" for number in range(3)]
    assert len(asked) <= 8


def test_a_comparison_reads_well() -> None:
    noon = datetime(2026, 1, 16, 12, tzinfo=UTC)
    bob = Purse("bob", "Bob", Decimal("1.50"))
    comparison = compared(
        [Purse("ann", "Ann"), bob, Purse("zoe", "Zoe")],
        [bob.replace(amount=Decimal(2), last_at=noon), Purse("carol", "C\x1b[31m")],
        sample=3,
    )
    assert str(comparison).splitlines() == [
        "Purse: 1 added, 2 removed, 1 changed, 0 unchanged",
        "- 'ann': owner 'Ann', amount 0, last_at None",
        "~ 'bob': amount 1.50 → 2, last_at None → 2026-01-16 12:00:00+00:00",
        "+ 'carol': owner 'C\\x1b[31m', amount 0, last_at None",
        "… and 1 more",
    ]
    console = Console(width=60, record=True, file=open("/dev/null", "w"), force_terminal=False)  # noqa: SIM115
    console.print(comparison)
    console.file.close()
    printed = [line.split() for line in console.export_text().splitlines()]
    assert printed[0][:3] == ["Purse:", "1", "added,"]
    assert ["~", "'bob'", "amount", "1.50", "→", "2"] in printed
    assert ["last_at", "None", "→", "2026-01-16", "12:00:00+00:00"] in printed
    assert ["+", "'carol'", "owner", "'C\\x1b[31m'"] in printed
    assert printed[-1] == ["…", "and", "1", "more"]


def test_then_and_now_differ_as_their_rows_do(store: lf.EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 200, accounts=30)
    Projector(store._log, [purses]).catch_up()
    now = store.view(Purse)
    rows = now.find()
    for page_rows in (1_000, 7, 1):
        monkeypatch.setattr(scanning, "_PAGE_ROWS", page_rows)
        for position in (0, 50, 150, store.head()):
            then = now.as_of(position=position)
            expected = by_dict(then.find(), rows)
            assert list(then.differences(now)) == expected
            comparison = then.compare(now, sample=3)
            assert (comparison.count, comparison.sample) == (len(expected), tuple(expected[:3]))
            assert now.compare(then).added == comparison.removed
            assert comparison.count + comparison.unchanged == len({one.account_id for one in [*then.find(), *rows]})
    assert now.compare(now.as_of(position=store.head())).count == 0


def test_the_async_door_compares_too(store_url: str) -> None:
    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            await store.append(stream("ann"), [Opened(owner="Ann")])
            await store.append(stream("bob"), [Opened(owner="Bob")])
            await store.projector([purses]).catch_up()
            now = store.view(Purse)
            async with await now.as_of(position=(await store.head()) - 1) as then:
                [difference] = [one async for one in then.differences(now)]
                assert difference == Difference("bob", None, Purse("bob", "Bob"))
                comparison = await then.compare(now)
                assert (comparison.sample, comparison.unchanged) == ((difference,), 1)

    asyncio.run(run())


def test_only_views_of_one_model_are_compared(store: lf.EventStore) -> None:
    class Other(ReadModel, table="other_compared"):
        account_id: Key[str]

    view: Any = store.view(Purse)
    then = view.as_of(position=0)
    with pytest.raises(lf.InvalidArgument, match="a view of Purse is compared with another"):
        view.compare(store.view(Other))
    for wrong in (7, then._view):
        with pytest.raises(lf.InvalidArgument, match="a view is compared with another view"):
            view.differences(wrong)
    with pytest.raises(lf.InvalidArgument, match="sample is a whole number"):
        then.compare(then, sample=-1)
    with pytest.raises(lf.errors.ProcessorOutdated, match="no table"):
        then.compare(view)


class Suit(Enum):
    SPADES = "s"
    HEARTS = "h"
    CLUBS = "clubs"


TEXTS = [
    "",
    " ",
    "A",
    "Z",
    "a",
    "a\u0301",
    "aa",
    "b",
    "z",
    "ß",
    "é",
    "Ā",
    "\u07ff",
    "\u0800",
    "中",
    "\ufffd",
    "\U0001f600",
]
MOMENTS = [datetime(year, 7, 1, 12, 0, 0, us, UTC) for year in (1, 999, 1969, 2026) for us in (0, 1)]
KEYS: dict[str, tuple[Any, list[Any]]] = {
    "str": (str, TEXTS),
    "int": (int, [-(2**63), -10, -9, -1, 0, 1, 9, 10, 2**63 - 1]),
    "Decimal": (Decimal, [Decimal(text) for text in ("-10.5", "-10", "-0.0001", "0", "0.5", "9", "10.25")]),
    "datetime": (datetime, MOMENTS),
    "date": (date, [date(1, 1, 1), date(999, 12, 31), date(1969, 12, 31), date(2026, 1, 15)]),
    "UUID": (UUID, [UUID(int=one) for one in (0, 1, 2**64, 2**127 - 1, 2**127, 2**128 - 1)]),
    "Enum": (Suit, list(Suit)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_python_orders_keys_as_both_databases_do(
    store: lf.EventStore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_PAGE_ROWS", 2)
    key, values = KEYS[kind]
    annotations: Any = {"first": Annotated[key, KeyMarker()], "second": Key[int]}
    model: Any = ReadModelMeta("Ordered", (ReadModel,), {"__annotations__": annotations}, table=f"by_{kind.lower()}")
    pairs = [(value, number) for value in values for number in (1, -1)]
    random.Random(3).shuffle(pairs)

    @projection(model, key=lambda recorded: pairs[recorded.version - 1])
    def ordered(row: Any, recorded: lf.RecordedEvent) -> Any:
        return model(*pairs[recorded.version - 1])

    store.append(stream("ann"), [Opened(owner="Ann")] * len(pairs))
    Projector(store._log, [ordered]).catch_up()
    view: View[Any] = store.view(model)
    found = view.find()
    assert found == sorted((model(*pair) for pair in pairs), key=key_order(definition_of(model)))
    past = view.as_of(position=store.head())
    assert past.find() == found
    comparison = past.compare(view)
    assert (comparison.count, comparison.unchanged) == (0, len(pairs))
