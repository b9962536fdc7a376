"""Columns mean the same on both back ends: what goes in comes out equal, and compares, orders and sums alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.doors.step import step
from leftfold.front.view import View
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.tables.table import ReadTable
from leftfold.read.tables.tables import table_in
from tests.read.test_models import AccountId, Address, Everything, Status

LARGEST = Decimal("922337203685477.5807")
PLAIN = Everything(
    id=AccountId("plain"),
    text="text",
    number=1,
    truth=True,
    ratio=1.5,
    amount=Decimal("12.3456"),
    small=Decimal("1.25"),
    moment=datetime(2026, 1, 15, 12, 30, 15, 123456, tzinfo=UTC),
    day=date(2026, 1, 15),
    uuid=UUID(int=1),
    raw=b"\x00raw\xff",
    status=Status.OPEN,
    kind="a",
    tags=["x"],
    address=Address("Main Street", 7),
)
EXTREMES = [
    {"id": "é-😀", "text": "😀 ünïcode '\"\\ %s ? :x {}", "maybe": Decimal("-0.001")},
    {"id": "low", "number": -(2**63), "truth": False, "ratio": 5e-324, "amount": -LARGEST, "small": Decimal("-999.99")},
    {"id": "high", "number": 2**63 - 1, "ratio": 1.7976931348623157e308, "amount": LARGEST, "small": Decimal("999.99")},
    {"id": "early", "moment": datetime(1, 1, 1, tzinfo=UTC), "day": date(1, 1, 1), "uuid": UUID(int=0)},
    {"id": "late", "moment": datetime(9998, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "day": date(9999, 12, 31)},
    {"id": "zoned", "moment": datetime(2026, 1, 15, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))},
    {"id": "empty", "text": "", "raw": b"", "tags": [], "uuid": UUID(int=2**128 - 1), "ratio": -0.1},
    {"id": "nested", "tags": ["a\0b", "{'\"\\}", "😀"], "address": Address("\\u0000", -1), "status": Status.CLOSED},
    {"id": "zeros", "amount": Decimal("1.50000000000"), "small": Decimal("1E+2"), "kind": "b", "ratio": 3},
]


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


def save(store: lf.EventStore, rows: list[Any]) -> ReadTable:
    """Create the table of the rows' model, if it is not there, and write them."""
    table = table_in(store._log.database, definition_of(rows[0].__class__))

    async def run() -> None:
        async with store._log.database.transaction() as connection:
            if not await table.check(connection):
                await table.create(connection)
            await table.write(connection, rows)

    step(run())
    return table


def fetch(store: lf.EventStore, table: ReadTable, keys: list[Any]) -> dict[Any, Any]:
    async def run() -> dict[Any, Any]:
        async with store._log.database.connection() as connection:
            return await table.fetch(connection, keys)

    return step(run())


def test_every_value_comes_back_equal(store: lf.EventStore) -> None:
    rows = [PLAIN, *(PLAIN.replace(**changes) for changes in EXTREMES)]
    check = definition_of(Everything).checker()
    for row in rows:
        check(row)
    table = save(store, rows)
    view = View(store._log.database, Everything)
    fetched = fetch(store, table, [*(row.id for row in rows), "unknown"])
    assert fetched.pop("unknown") is None
    assert list(fetched.values()) == rows
    assert [view.get(row.id) for row in rows] == rows
    assert view.get("unknown") is None


def test_what_comes_back_has_the_declared_types_and_digits(store: lf.EventStore) -> None:
    save(store, [PLAIN.replace(amount=Decimal(7), ratio=3)])
    row = View(store._log.database, Everything).get("plain")
    assert row is not None
    for one in definition_of(Everything).fields:
        value = getattr(row, one.name)
        assert value is None or type(value) is type(getattr(PLAIN, one.name)), one.name
    assert str(row.amount) == "7.0000"
    assert row.moment.tzinfo is UTC


def test_a_written_row_replaces_the_one_before_it(store: lf.EventStore) -> None:
    save(store, [PLAIN, PLAIN.replace(id="other")])
    table = save(store, [PLAIN.replace(text="new", maybe=Decimal(1))])
    save(store, [PLAIN.replace(text="newer", maybe=None)])
    assert fetch(store, table, ["plain"]) == {"plain": PLAIN.replace(text="newer", maybe=None)}
    assert View(store._log.database, Everything).count() == 2


def test_rows_of_several_keys_are_fetched_replaced_and_deleted_by_all_of_them(store: lf.EventStore) -> None:
    class Slot(ReadModel):
        day: Key[date]
        room: Key[UUID]
        number: Key[int]
        price: Key[Decimal]

    first = Slot(date(2026, 1, 15), UUID(int=5), 2**62 + 1, Decimal("1.5"))
    others = [first.replace(number=2**62), first.replace(room=UUID(int=6)), first.replace(price=Decimal("1.25"))]
    table = save(store, [first, *others])
    save(store, [first])
    key = (first.day, first.room, first.number, first.price)
    missing = (first.day, first.room, 0, first.price)
    assert fetch(store, table, [key, missing]) == {key: first, missing: None}

    async def delete() -> None:
        async with store._log.database.transaction() as connection:
            await table.delete(connection, [key, missing])

    step(delete())
    view = View(store._log.database, Slot)
    assert sorted(view.find(), key=repr) == sorted(others, key=repr)
    assert view.get((first.day, first.room, 2**62, first.price)) == others[0]


def test_decimals_compare_order_and_sum_to_the_last_digit(store: lf.EventStore) -> None:
    texts = ["0.1000", "0.2000", "0.3000", "-0.0001", "922337203600000.0001", "70000.0002", "10", "9", "-10"]
    amounts = [Decimal(text) for text in texts]
    save(store, [PLAIN.replace(id=f"{at}", amount=amount) for at, amount in enumerate(amounts)])
    view = View(store._log.database, Everything)
    column = Everything.c.amount
    assert [row.amount for row in view.find(order_by=column)] == sorted(amounts)
    assert [row.amount for row in view.find(order_by=column.desc())] == sorted(amounts, reverse=True)
    for limit in (*amounts, Decimal(0), Decimal("0.3")):
        assert view.count(column > limit) == sum(amount > limit for amount in amounts)
        assert view.count(column <= limit) == sum(amount <= limit for amount in amounts)
        assert view.count(column == limit) == sum(amount == limit for amount in amounts)
    assert view.count(column >= 9) == 4
    assert view.count(column.between(Decimal("0.1"), 9)) == 4
    assert view.count(column.in_([Decimal("0.3"), 10])) == 2
    assert view.count(column + Decimal("0.0001") == 0) == 1
    with localcontext(prec=60):
        [(total, least, most)] = view.select(sa.select(sa.func.sum(column), sa.func.min(column), sa.func.max(column)))
        assert (total, least, most) == (sum(amounts), min(amounts), max(amounts))
    assert type(total) is type(least) is Decimal
    assert str(least) == "-10.0000"


def test_a_sum_that_sqlite_cannot_hold_is_refused_not_wrong(store: lf.EventStore) -> None:
    save(store, [PLAIN.replace(id="a", amount=LARGEST), PLAIN.replace(id="b", amount=LARGEST)])
    view = View(store._log.database, Everything)
    select = sa.select(sa.func.sum(Everything.c.amount))
    if store._log.database.dialect == "sqlite":
        with pytest.raises(lf.NotSupported, match="does not fit the 64 bits"):
            view.select(select)
    else:
        assert view.select(select) == [(2 * LARGEST,)]


def test_sums_of_nothing_and_of_groups(store: lf.EventStore) -> None:
    save(store, [PLAIN.replace(id=f"{n}", number=n, kind="ab"[n % 2], maybe=Decimal(n) / 8) for n in range(1, 6)])
    view = View(store._log.database, Everything)
    c = Everything.c
    by_kind = sa.select(c.kind, sa.func.sum(c.maybe), sa.func.sum(c.number), sa.func.count()).group_by(c.kind)
    assert view.select(by_kind.order_by(c.kind)) == [("a", Decimal("0.75"), 6, 2), ("b", Decimal("1.125"), 9, 3)]
    [row] = view.select(sa.select(sa.func.sum(c.maybe), sa.func.sum(c.number)).where(c.number > 9))
    assert row == (None, None)
    [(largest, flag)] = view.select(sa.select(sa.func.sum(c.number), sa.func.count() > 1))
    assert type(largest) is int
    assert flag is True
    assert view.select(sa.select(sa.func.sum(c.maybe)).having(sa.func.sum(c.maybe) > Decimal("1.874")))


def test_texts_are_ordered_by_code_point(store: lf.EventStore) -> None:
    texts = ["", " a", "A", "B", "Z", "_", "a", "aa", "b", "z", "Ä", "ä", "ﬀ", "😀", "a b", "a-b", "ab"]
    save(store, [PLAIN.replace(id=f"{at}", text=text) for at, text in enumerate(texts)])
    view = View(store._log.database, Everything)
    assert [row.text for row in view.find(order_by=Everything.c.text)] == sorted(texts)
    for limit in texts:
        assert view.count(Everything.c.text < limit) == sum(text < limit for text in texts)
    assert view.count(Everything.c.text.in_(["a", "A", "x"])) == 2


def test_keys_are_ordered_by_code_point_where_nothing_else_is_said(store: lf.EventStore) -> None:
    keys = ["b", "a", "B", "ä", "10", "9", "😀", "Z"]
    save(store, [PLAIN.replace(id=key) for key in keys])
    assert [row.id for row in View(store._log.database, Everything).find()] == sorted(keys)


def test_moments_and_days_are_ordered_by_time_whatever_their_zone(store: lf.EventStore) -> None:
    east, west = timezone(timedelta(hours=9)), timezone(-timedelta(hours=9))
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)
    moments = [
        noon,
        noon.replace(tzinfo=east),
        noon.replace(tzinfo=west),
        noon.replace(year=999),
        noon.replace(microsecond=1),
    ]
    save(store, [PLAIN.replace(id=f"{n}", moment=one, day=one.date()) for n, one in enumerate(moments)])
    view = View(store._log.database, Everything)
    assert [row.moment for row in view.find(order_by=Everything.c.moment)] == sorted(moments)
    for limit in moments:
        assert view.count(Everything.c.moment > limit) == sum(one > limit for one in moments)
    assert view.count(Everything.c.day < date(2026, 1, 1)) == 1


def test_none_is_lower_than_every_value(store: lf.EventStore) -> None:
    values = [None, Decimal(-5), None, Decimal(5)]
    save(store, [PLAIN.replace(id=f"{n}", maybe=value) for n, value in enumerate(values)])
    view = View(store._log.database, Everything)
    column = Everything.c.maybe
    assert [row.maybe for row in view.find(order_by=column)] == [None, None, -5, 5]
    assert [row.maybe for row in view.find(order_by=column.desc())] == [5, -5, None, None]
    assert [row.maybe for row in view.find(order_by=column.nulls_last())] == [-5, 5, None, None]
    assert [row.maybe for row in view.find(order_by=[column.desc().nulls_first()])] == [None, None, 5, -5]
    assert view.count(column.is_(None)) == view.count(column.is_not(None)) == 2


def test_the_other_kinds_compare_alike(store: lf.EventStore) -> None:
    save(
        store,
        [
            PLAIN,
            PLAIN.replace(
                id="other", truth=False, uuid=UUID(int=2**127), status=Status.CLOSED, ratio=-1.5, raw=b"\x01"
            ),
        ],
    )
    view = View(store._log.database, Everything)
    c = Everything.c
    for condition in (
        c.truth,
        c.truth == True,  # noqa: E712
        c.truth.is_(True),
        c.uuid < UUID(int=2**64),
        c.status == Status.OPEN,
        c.status.in_([Status.OPEN]),
        c.ratio > 0,
        c.raw < b"\x01",
        c.text + "!" == "text!",
    ):
        assert [row.id for row in view.find(condition, c.id == "plain")] == ["plain"], str(condition)
    assert [row.id for row in view.find(~c.truth)] == ["other"]
    assert [row.id for row in view.find(order_by=[c.kind, c.uuid.desc()])] == ["other", "plain"]
    assert view.count(c.tags == ["x"]) == 2


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (lambda c: c.amount > Decimal("0.00001"), "never rounded"),
        (lambda c: c.amount > Decimal("NaN"), "Decimal"),
        (lambda c: c.amount > 0.5, "expected a Decimal"),
        (lambda c: c.amount < 10**20, "never rounded"),
        (lambda c: c.moment > datetime(2026, 1, 15), "naive"),  # noqa: DTZ001
        (lambda c: c.moment > "2026", "aware datetime"),
        (lambda c: c.text == "a\0b", "NUL"),
        (lambda c: c.text == "\udc00", "surrogate"),
        (lambda c: c.number < 2**63, "64 bits"),
        (lambda c: c.ratio == math.nan, "finite"),
        (lambda c: c.status == "open", "one of <Status.OPEN"),
        (lambda c: c.day == datetime(2026, 1, 15, tzinfo=UTC), "expected a date"),
    ],
)
def test_a_query_for_what_a_column_cannot_hold_is_refused(store: lf.EventStore, condition: Any, message: str) -> None:
    save(store, [PLAIN])
    with pytest.raises(lf.InvalidArgument, match=message):
        View(store._log.database, Everything).find(condition(Everything.c))


@pytest.mark.parametrize(
    "expression",
    [
        lambda c: c.amount * 2,
        lambda c: 2 * c.amount,
        lambda c: c.amount / 2,
        lambda c: c.amount + c.small,
        lambda c: c.amount > c.small,
        lambda c: c.amount + c.number,
        lambda c: sa.literal(5) < c.amount,
        lambda c: sa.func.avg(c.amount),
        lambda c: sa.func.abs(c.amount),
        lambda c: sa.func.sum(c.amount) / sa.func.count(),
        lambda c: sa.func.coalesce(sa.func.sum(c.amount), 0),
        lambda c: sa.func.sum(c.amount * c.number),
        lambda c: sa.cast(c.amount, sa.Float),
        lambda c: sa.case((c.truth, c.amount), else_=0),
        lambda c: c.amount.concat("x"),
    ],
)
def test_an_expression_that_would_move_the_point_is_refused_on_both(store: lf.EventStore, expression: Any) -> None:
    save(store, [PLAIN])
    view = View(store._log.database, Everything)
    with pytest.raises(lf.NotSupported, match="does not mean the same"):
        view.select(sa.select(expression(Everything.c)))
    with pytest.raises(lf.NotSupported, match="does not mean the same"):
        view.find(order_by=expression(Everything.c))
    with pytest.raises(lf.NotSupported, match="does not mean the same"):
        view.count(expression(Everything.c).is_(None))


def test_expressions_that_keep_the_point_are_not_refused(store: lf.EventStore) -> None:
    save(store, [PLAIN, PLAIN.replace(id="second", amount=Decimal(100), truth=False)])
    view = View(store._log.database, Everything)
    c = Everything.c
    zero = sa.literal(Decimal(0), c.amount.type)
    [values] = view.select(
        sa.select(
            sa.func.coalesce(sa.func.sum(c.amount).filter(c.truth), zero),
            sa.func.coalesce(sa.func.sum(c.amount).filter(c.number > 1), zero),
            sa.func.sum(-c.amount),
            sa.func.max(c.amount) - sa.func.min(c.amount),
            sa.func.count(c.amount.distinct()),
        )
    )
    assert values == (Decimal("12.3456"), Decimal(0), Decimal("-112.3456"), Decimal("87.6544"), 2)
    above = sa.select(sa.func.min(c.amount)).scalar_subquery()
    assert [row.id for row in view.find(c.amount > above)] == ["second"]
    running = sa.select(c.id, sa.func.sum(c.amount).over(order_by=c.id)).order_by(c.id)
    assert view.select(running) == [("plain", Decimal("12.3456")), ("second", Decimal("112.3456"))]


def test_the_context_of_the_caller_does_not_round(store: lf.EventStore) -> None:
    with localcontext(prec=3):
        save(store, [PLAIN.replace(amount=LARGEST)])
        row = View(store._log.database, Everything).get("plain")
        assert row is not None
        assert str(row.amount) == str(LARGEST)


def test_a_choice_that_is_no_more_is_told_by_column_and_model(store: lf.EventStore) -> None:
    class Before(ReadModel, table="choices"):
        id: Key[str]
        kind: str

    class After(ReadModel, table="choices"):
        id: Key[str]
        status: Status = Status.OPEN
        kind: Status = Status.OPEN

    class Today(ReadModel, table="choices"):
        id: Key[str]
        kind: Status

    save(store, [Before("a", "frozen")])
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"column kind what Today cannot have today.*'frozen'.*rebuild"
    ):
        View(store._log.database, Today).get("a")
    with pytest.raises(lf.errors.ProcessorOutdated, match=r"column status is missing, expected text.* not null"):
        View(store._log.database, After).get("a")
