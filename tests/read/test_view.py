"""Views over real stores: get, find and count, and what they say when they cannot answer."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.front.projector import Projector
from leftfold.front.view import View
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from tests.read.bank import CATEGORY, Balance, Deposited, Opened, balances, run_sql, stream

AMOUNTS = {"alice": "10", "bob": "2.5", "carol": "200", "dave": "2.5", "eve": "-1"}


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        for name, amount in AMOUNTS.items():
            store.append(stream(name), [Opened(owner=name.title()), Deposited(amount=Decimal(amount))])
        yield store


@pytest.fixture
def view(store: lf.EventStore) -> View[Balance]:
    Projector(store._log, [balances]).catch_up()
    return View(store._log.database, Balance)


def found(rows: list[Balance]) -> list[str]:
    return [row.account_id for row in rows]


def test_get_finds_a_row_by_its_key(view: View[Balance]) -> None:
    row = view.get("bob")
    assert row is not None
    assert (row.owner, row.amount, row.deposits) == ("Bob", Decimal("2.5"), 1)
    assert view.get("nobody") is None


def test_get_refuses_what_cannot_be_a_key(view: View[Balance]) -> None:
    for wrong in (7, None, ("bob",), "b\0b"):
        with pytest.raises(lf.InvalidArgument, match="Balance"):
            view.get(wrong)


def test_find_without_anything_is_every_row_by_key(view: View[Balance]) -> None:
    assert found(view.find()) == sorted(AMOUNTS)


def test_every_condition_must_hold(view: View[Balance]) -> None:
    c = Balance.c
    assert found(view.find(c.amount > 2, c.amount < 100)) == ["alice", "bob", "dave"]
    assert found(view.find((c.amount > 100) | (c.owner == "Eve"))) == ["carol", "eve"]
    assert found(view.find(c.account_id.in_(["eve", "bob", "nobody"]))) == ["bob", "eve"]
    assert view.find(c.amount > 1000) == []


def test_rows_come_in_the_order_asked_for_and_by_key_where_that_is_equal(view: View[Balance]) -> None:
    assert found(view.find(order_by=Balance.c.amount)) == ["eve", "bob", "dave", "alice", "carol"]
    assert found(view.find(order_by=Balance.c.amount.desc())) == ["carol", "alice", "bob", "dave", "eve"]
    assert found(view.find(order_by=[Balance.c.amount, Balance.c.owner.desc()])) == [
        "eve",
        "dave",
        "bob",
        "alice",
        "carol",
    ]


def test_limit_and_offset_page_through_the_rows(view: View[Balance]) -> None:
    pages = [found(view.find(order_by=Balance.c.amount, limit=2, offset=start)) for start in (0, 2, 4, 6)]
    assert pages == [["eve", "bob"], ["dave", "alice"], ["carol"], []]
    assert found(view.find(offset=3)) == ["dave", "eve"]
    assert view.find(limit=0) == []
    for wrong in (-1, True, 1.5, 2**63):
        bound: Any = wrong
        with pytest.raises(lf.InvalidArgument, match="limit is a whole number"):
            view.find(limit=bound)
        with pytest.raises(lf.InvalidArgument, match="offset is a whole number"):
            view.find(offset=bound)


def test_count_counts_the_rows_that_match(view: View[Balance]) -> None:
    assert view.count() == 5
    assert view.count(Balance.c.amount == Decimal("2.5")) == 2
    assert view.count(Balance.c.amount == Decimal("2.5"), Balance.c.owner == "Bob") == 1


def test_a_condition_that_is_none_is_refused(view: View[Balance]) -> None:
    wrong: Any = True
    with pytest.raises(lf.InvalidArgument, match=r"such as AccountSummary\.c\.balance > 100, not True"):
        view.find(wrong)
    with pytest.raises(lf.InvalidArgument, match="not True"):
        view.count(wrong)
    name: Any = "amount"
    with pytest.raises(lf.InvalidArgument, match="an order is a column"):
        view.find(order_by=name)


def test_select_answers_with_sums_and_groups(view: View[Balance]) -> None:
    total = sa.select(sa.func.sum(Balance.c.amount), sa.func.count())
    assert view.select(total) == [(Decimal("214"), 5)]
    groups = sa.select(Balance.c.amount, sa.func.count()).group_by(Balance.c.amount).order_by(Balance.c.amount)
    assert view.select(groups.limit(2)) == [(Decimal(-1), 1), (Decimal("2.5"), 2)]


def test_select_joins_read_models(store: lf.EventStore, view: View[Balance]) -> None:
    class Nickname(ReadModel):
        account_id: Key[str]
        nickname: str

    @projection(Nickname, category=CATEGORY, on=[Opened])
    def nicknames(row: Nickname | None, recorded: lf.RecordedEvent) -> Nickname:
        return Nickname(recorded.stream_id, recorded.event.owner[:2])

    Projector(store._log, [nicknames]).catch_up()
    joined = sa.select(Nickname.c.nickname, Balance.c.amount).where(
        Nickname.c.account_id == Balance.c.account_id, Balance.c.amount > 5
    )
    assert view.select(joined.order_by(Nickname.c.nickname)) == [("Al", Decimal(10)), ("Ca", Decimal(200))]


def test_select_writes_nothing(view: View[Balance]) -> None:
    statement: Any = sa.delete(Balance.c.amount.table)
    with pytest.raises(lf.InvalidArgument, match="rows are written by projections"):
        view.select(statement)
    assert view.count() == 5


def test_a_view_asked_before_the_projector_has_made_the_table_says_so(store: lf.EventStore) -> None:
    early = View(store._log.database, Balance)
    for ask in (lambda: early.get("bob"), early.find, early.count):
        with pytest.raises(lf.errors.ProcessorOutdated, match=r"no table .*balance for Balance yet.*catch_up"):
            ask()
    Projector(store._log, [balances]).catch_up()
    assert early.count() == 5


def test_a_view_of_a_table_with_other_columns_says_which(store: lf.EventStore, view: View[Balance]) -> None:
    class Newer(ReadModel, table="balance"):
        account_id: Key[str]
        owner: str
        limit: Decimal = Decimal(0)

    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"does not fit Newer: column limit is missing.*amount is .*no such"
    ):
        View(store._log.database, Newer).find()


def test_a_query_that_the_database_refuses_keeps_its_own_error(view: View[Balance]) -> None:
    with pytest.raises(Exception, match="no_such_function") as caught:
        view.count(sa.func.no_such_function(Balance.c.owner) == "x")
    assert not isinstance(caught.value, lf.LeftfoldError)


def test_a_percent_sign_means_itself(store: lf.EventStore, view: View[Balance]) -> None:
    assert view.count(Balance.c.deposits % 2 == 1) == 5
    assert view.select(
        sa.select(sa.func.count()).where(Balance.c.deposits % Balance.c.deposits == Balance.c.deposits)
    ) == [(0,)]
    assert view.count(Balance.c.owner.like("%o%")) == 2


def test_a_name_that_needs_quotes_is_no_trouble(store: lf.EventStore) -> None:
    class Order(ReadModel):
        select: Key[str]
        Where: int = 0
        größe: str = ""

    @projection(Order, category=CATEGORY)
    def orders(row: Order | None, recorded: lf.RecordedEvent) -> Order:
        return Order(recorded.stream_id, recorded.version, "x")

    Projector(store._log, [orders]).catch_up()
    assert View(store._log.database, Order).find(Order.c.Where == 2, Order.c.größe == "x", limit=1) == [
        Order("alice", 2, "x")
    ]


def test_a_closed_store_is_told_as_such(store: lf.EventStore, view: View[Balance]) -> None:
    store.close()
    with pytest.raises(lf.StoreUnavailable, match="closed"):
        view.count()


def test_a_view_sees_what_is_committed(store: lf.EventStore, view: View[Balance]) -> None:
    store.append(stream("alice"), [Deposited(amount=Decimal(1))])
    assert view.get("alice") == view.get("alice")
    before = view.get("alice")
    Projector(store._log, [balances]).catch_up()
    after = view.get("alice")
    assert before is not None
    assert after is not None
    assert (before.amount, after.amount) == (Decimal(10), Decimal(11))


def test_the_table_says_what_its_columns_mean(store: lf.EventStore, view: View[Balance]) -> None:
    if store._log.database.schema is None:
        rows = run_sql(store._log.database, "SELECT type FROM pragma_table_info('balance')")
        assert [kind for (kind,) in rows] == ["TEXT", "TEXT", "SCALEDINT(19, 4)", "BIGINT", "UTC_TEXT"]
        assert run_sql(store._log.database, "SELECT typeof(amount), amount FROM balance LIMIT 1") == [
            ("integer", 100000)
        ]
    else:
        name = f"{store._log.database.schema}.balance"
        rows = run_sql(
            store._log.database,
            "SELECT format_type(atttypid, atttypmod), collname FROM pg_attribute "
            "LEFT JOIN pg_collation c ON c.oid = attcollation "
            f"WHERE attrelid = '{name}'::regclass AND attnum > 0 ORDER BY attnum",
        )
        assert rows == [
            ("text", "C"),
            ("text", "C"),
            ("numeric(19,4)", None),
            ("bigint", None),
            ("timestamp with time zone", None),
        ]
