"""What type checkers know about the query side. Read by mypy --strict and pyright strict, and run by nobody.

An ignored error here is an expected one: both checkers report an ignore that is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, assert_type

from sqlalchemy import ColumnElement

import leftfold as lf
from leftfold.testing import GivenEvents, ProjectedRows, given, in_stream


class Opened(lf.Event):
    owner: str


class Deposited(lf.Event):
    amount: Decimal


class AccountSummary(lf.ReadModel):
    account_id: lf.Key[str]
    owner: str
    balance: Decimal = Decimal(0)
    rate: Annotated[Decimal, lf.Digits(9, 6)] = Decimal(0)
    last_tx_at: datetime | None = None


class Renamed(lf.ReadModel, table="another_name"):
    id: lf.Key[int]


class Other(lf.ReadModel):
    id: lf.Key[str]


def rows_are_typed_and_frozen(row: AccountSummary) -> None:
    assert_type(AccountSummary("alice", "Alice"), AccountSummary)
    assert_type(row.account_id, str)
    assert_type(Renamed(1).id, int)
    assert_type(row.rate, Decimal)
    assert_type(row.last_tx_at, datetime | None)
    assert_type(row.replace(balance=Decimal(5)), AccountSummary)
    AccountSummary("alice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AccountSummary(1, "Alice")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    row.owner = "Bob"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    print(row.ownr)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


def columns_make_conditions() -> None:
    condition: ColumnElement[bool] = AccountSummary.c.balance > 100
    assert_type(AccountSummary.c.balance > 100, ColumnElement[bool])
    conditions: list[ColumnElement[bool]] = [condition, AccountSummary.c.owner.in_(["Alice"]) | ~condition]
    assert conditions


@lf.projection(AccountSummary, category="BankAccount", on=[Opened | Deposited], version=2)
def account_summary(row: AccountSummary | None, recorded: lf.RecordedEvent) -> AccountSummary | lf.types.Delete | None:
    match recorded.event:
        case Opened(owner=owner):
            return AccountSummary(recorded.stream_id, owner)
        case Deposited(amount=amount) if row is not None:
            return row.replace(balance=row.balance + amount)
        case _:
            return lf.DELETE


@lf.projection(Other, key=lambda recorded: recorded.tags[0])
def narrower(row: Other | None, recorded: lf.RecordedEvent) -> Other:
    return row or Other(recorded.stream_id)


@lf.projection(Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def of_another_model(row: AccountSummary | None, recorded: lf.RecordedEvent) -> AccountSummary | None:
    return row


def projections_keep_their_model(recorded: lf.RecordedEvent) -> None:
    assert_type(account_summary, lf.Projection[AccountSummary])
    assert_type(account_summary(None, recorded), AccountSummary | lf.types.Delete | None)
    assert_type(account_summary.model, type[AccountSummary])
    assert_type(narrower, lf.Projection[Other])
    lf.projection(Opened)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def stores_give_projectors_and_views(store: lf.EventStore) -> None:
    projector = store.projector([account_summary, narrower])
    assert_type(projector, lf.types.Projector)
    assert_type(projector.catch_up(), list[lf.results.CaughtUp])
    view = store.view(AccountSummary)
    assert_type(view, lf.View[AccountSummary])
    assert_type(view.get("alice"), AccountSummary | None)
    assert_type(view.find(AccountSummary.c.balance > 100, order_by=AccountSummary.c.owner.desc()), list[AccountSummary])
    assert_type(view.find(order_by=[AccountSummary.c.balance, AccountSummary.c.owner], limit=10), list[AccountSummary])
    assert_type(view.count(AccountSummary.c.owner == "Alice"), int)
    view.find(True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    view.find(order_by="owner")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.view(Opened)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    store.projector([projections_keep_their_model])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def async_stores_too(store: lf.AsyncEventStore) -> None:
    assert_type(await store.projector([account_summary]).catch_up(), list[lf.results.CaughtUp])
    view = store.view(AccountSummary)
    assert_type(view, lf.AsyncView[AccountSummary])
    assert_type(await view.get("alice"), AccountSummary | None)
    assert_type(await view.find(limit=1), list[AccountSummary])
    assert_type(await view.count(), int)


def views_of_the_past_are_views(store: lf.EventStore, position: int) -> None:
    view = store.view(AccountSummary)
    then = view.as_of(at=datetime(2026, 1, 16, tzinfo=UTC), known_at=datetime.now(UTC), position=position)
    assert_type(then, lf.types.PastView[AccountSummary])
    assert_type(then.get("alice"), AccountSummary | None)
    assert_type(then.position, int)
    with view.as_of(position=position, projection=account_summary, limit_rows=10, progress=print) as same:
        assert_type(same, lf.types.PastView[AccountSummary])
    either: list[lf.View[AccountSummary]] = [view, then]
    assert either
    view.as_of(position=position, projection=narrower)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    view.as_of(datetime.now(UTC))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    comparison = then.compare(view, sample=3)
    assert_type(comparison, lf.results.Comparison[AccountSummary])
    assert_type(comparison.count, int)
    assert_type(comparison.sample, tuple[lf.results.Difference[AccountSummary], ...])
    assert_type(then.differences(view), Iterator[lf.results.Difference[AccountSummary]])
    for one in view.differences(then):
        assert_type(one.after, AccountSummary | None)
    then.compare(store.view(Other))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_views_of_the_past_too(store: lf.AsyncEventStore, position: int) -> None:
    view = store.view(AccountSummary)
    async with await view.as_of(position=position) as then:
        assert_type(then, lf.types.AsyncPastView[AccountSummary])
        assert_type(await then.find(), list[AccountSummary])
        assert_type(await then.compare(view), lf.results.Comparison[AccountSummary])
        assert_type(then.differences(view), AsyncIterator[lf.results.Difference[AccountSummary]])


def projections_are_tested_with_events(recorded: lf.RecordedEvent) -> None:
    history = given([in_stream("BankAccount-alice", Opened("Alice")), Deposited(Decimal(5))], id="bob")
    assert_type(history, GivenEvents)
    projected = history.project(account_summary)
    assert_type(projected, ProjectedRows[AccountSummary])
    assert_type(projected.expect([AccountSummary("alice", "Alice")]).rows, list[AccountSummary])
    assert_type(projected.expect_failure(ValueError, match="open").expect([]), ProjectedRows[AccountSummary])
    projected.expect([Other("alice")])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    projected.expect(AccountSummary("a", "A"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    history.project(print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    given([], Opened("Alice"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    given(Opened("Alice"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
