"""What type checkers know about events. Read by mypy --strict and pyright strict, run by nobody.

An ignored error here is an expected one: both checkers report an ignore that is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, assert_type
from uuid import UUID

import leftfold as lf


class Opened(lf.Event):
    owner: str
    balance: Decimal = Decimal(0)


class Deposited(lf.Event, type="bank.deposited", schema_version=2, aliases=("deposit",)):
    amount: Decimal


class Placed(lf.Event, kw_only=True):
    note: str = ""
    amount: Decimal


@lf.event_type("shop.paid")
@dataclass(frozen=True)
class Paid:
    amount: Decimal


STUDENT = lf.Tag("student")


class Subscribed(lf.Event):
    student_id: Annotated[str, STUDENT]
    place: Annotated[UUID, lf.Tag("place")] | None = None


@lf.event_type("courses.left")
@dataclass(frozen=True)
class Left:
    student_id: Annotated[str, STUDENT]


def events_are_typed_and_frozen() -> None:
    assert_type(Opened("Ann"), Opened)
    assert_type(Opened(owner="Ann", balance=Decimal(5)).balance, Decimal)
    assert_type(Deposited(Decimal(5)).amount, Decimal)
    assert_type(Placed(amount=Decimal(5)), Placed)
    assert_type(Paid(Decimal(5)), Paid)
    Opened()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Opened(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Placed(Decimal(5))  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Opened("Ann").owner = "Bob"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Paid(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_tagged_field_is_of_its_own_type(place: UUID) -> None:
    assert_type(Subscribed("7").student_id, str)
    assert_type(Subscribed("7", place).place, UUID | None)
    assert_type(Left("7").student_id, str)
    assert_type(STUDENT.of("7"), str)
    assert_type(STUDENT.name, str)
    STUDENT.of(place)
    STUDENT.of(Decimal(7))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Subscribed(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    STUDENT.name = "pupil"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def what_is_said_about_an_event_is_typed(new: lf.NewEvent, recorded: lf.RecordedEvent, at: datetime) -> None:
    assert_type(lf.NewEvent(Opened("Ann"), occurred_at=at, tags=["a:1"], metadata={"actor": "ann"}), lf.NewEvent)
    assert_type(new.id, UUID)
    assert_type(new.occurred_at, datetime | None)
    assert_type(recorded.version, int)
    assert_type(recorded.occurred_at, datetime)
    assert_type(recorded.tags, tuple[str, ...])
    assert_type(recorded.metadata, lf.Metadata)
    assert_type(recorded.data, bytes)
    lf.NewEvent(Opened("Ann"), occurred_at="today")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    new.tags = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    recorded.id = new.id  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def queries_are_typed() -> None:
    assert_type(lf.Query.of(Opened, "bank.closed", tags=["a:1"], category="Account") | lf.Query.ALL, lf.Query)
    assert_type(lf.Query.of(Opened | Deposited), lf.Query)
    lf.Query.of(category=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def the_sync_door_is_typed(store: lf.EventStore, new: lf.NewEvent) -> None:
    result = store.append("Account-ann", [Opened("Ann"), new], expected=lf.NO_STREAM)
    assert_type(result, lf.AppendResult)
    assert_type((result.version, result.position, result.duplicate), tuple[int, int, bool])
    assert_type(store.append_all([lf.Write("Account-ann", [Opened("Ann")], lf.ANY_VERSION)]), list[lf.AppendResult])
    assert_type(store.read("Account-ann", after=3), Iterator[lf.RecordedEvent])
    assert_type(store.read_all(lf.Query.ALL, backwards=True), Iterator[lf.RecordedEvent])
    assert_type(store.head(), int)
    with store.subscribe(after=3) as subscription:
        assert_type(subscription, lf.types.Subscription)
        assert_type(next(subscription), lf.RecordedEvent)
    with lf.connect("sqlite://") as opened:
        assert_type(opened, lf.EventStore)
    lf.connect("sqlite://", migrate="perhaps")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.append("Account-ann", Opened("Ann"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.append("Account-ann", [], lf.ANY_VERSION)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def the_async_door_is_typed(store: lf.AsyncEventStore) -> None:
    assert_type(await store.append("Account-ann", [Opened("Ann")]), lf.AppendResult)
    assert_type(store.read("Account-ann"), AsyncIterator[lf.RecordedEvent])
    assert_type([one async for one in store.read_all()], list[lf.RecordedEvent])
    assert_type(await store.head(), int)
    async with lf.connect_async("sqlite://") as opened, opened.subscribe() as subscription:
        assert_type(opened, lf.AsyncEventStore)
        async for recorded in subscription:
            assert_type(recorded, lf.RecordedEvent)
    list(store.read("Account-ann"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def metadata_is_a_mapping() -> None:
    with lf.with_metadata(actor="ann", tenant=7) as around:
        assert_type(around, lf.Metadata)
        assert_type(around["tenant"], Any)
        around["actor"] = "bob"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
