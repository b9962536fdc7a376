"""Identities, moments, names, new events and queries: plain values, checked where they enter."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

import leftfold as lf
from leftfold.events import moment
from leftfold.events.identity import uuid7
from leftfold.events.new import encode_events
from leftfold.events.stream import check_stream, check_tag, stream_name

registry = lf.Registry()
NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAIVE = datetime(2026, 1, 16)  # noqa: DTZ001 - the point


class Paid(lf.Event, registry=registry, type="shop.paid", aliases=("paid",)):
    amount: int


class Closed(lf.Event, registry=registry, type="shop.closed"):
    reason: str = ""


# identities


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after + 1  # counting up within a millisecond may reach into the next


def test_ids_of_one_process_increase_whichever_thread_makes_them() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]

    def make(into: list[UUID]) -> None:
        into.extend(uuid7() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(into == sorted(into) for into in made)
    assert len({made_id for into in made for made_id in into}) == 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_does_not_repeat_its_parents_ids() -> None:
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(uuid7().bytes for _ in range(100)))
        os._exit(0)
    mine = {uuid7() for _ in range(100)}
    os.waitpid(child, 0)
    theirs = os.read(reading, 1600)
    os.close(reading)
    os.close(writing)
    assert len(mine | {UUID(bytes=theirs[at : at + 16]) for at in range(0, 1600, 16)}) == 200


# moments


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_the_texts_is_the_order_of_the_moments(left: datetime, right: datetime) -> None:
    texts = moment.to_text(left), moment.to_text(right)
    assert [len(text) for text in texts] == [27, 27]
    assert (texts[0] < texts[1]) == (left < right)
    assert moment.from_stored(texts[0]) == left


def test_a_moment_is_the_same_from_text_and_from_microseconds() -> None:
    assert moment.to_text(NOON) == "2026-01-16T12:00:00.000000Z"
    assert moment.from_stored("2026-01-16T12:00:00.000001Z") == NOON + timedelta(microseconds=1)
    assert moment.from_stored(1_768_564_800_000_001) == NOON + timedelta(microseconds=1)
    assert moment.from_stored(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_a_moment_is_turned_to_utc_or_refused() -> None:
    assert moment.as_utc(datetime(2026, 1, 16, 14, tzinfo=timezone(timedelta(hours=2))), "at") == NOON
    assert moment.as_utc(NOON, "at").tzinfo is UTC
    with pytest.raises(lf.InvalidArgument, match=r"at is the naive datetime .*datetime\(2026, 1, 16, tzinfo=UTC\)"):
        moment.as_utc(NAIVE, "at")
    with pytest.raises(lf.InvalidArgument, match=r"at must be an aware datetime, not datetime\.date"):
        moment.as_utc(NOON.date(), "at")  # type: ignore[arg-type]
    with pytest.raises(lf.InvalidArgument, match="at lies outside the years 1 to 9999 of UTC"):
        moment.as_utc(datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "at")


# names


@pytest.mark.parametrize("name", ["a-b", "Account-x-y-z", "a--", "Konto-ščř", "a-" + "b" * 510])
def test_a_stream_is_category_and_id(name: str) -> None:
    assert check_stream(name) == name


@pytest.mark.parametrize(
    "name", ["", "a", "a-", "-b", "-", "a-\0", "a-\ud800", "a-" + "b" * 511, "ä-" + "ä" * 255, 7, None]
)
def test_another_name_is_refused(name: Any) -> None:
    with pytest.raises(lf.InvalidArgument, match="stream name"):
        check_stream(name)


def test_a_category_cannot_be_split_nor_an_id_be_missing() -> None:
    assert stream_name("Account", "a-b") == "Account-a-b"
    for category, id in (("a-b", "c"), ("", "c"), ("a", ""), ("a", 7), ("a", None)):
        with pytest.raises(lf.InvalidArgument):
            stream_name(category, id)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", ["", 7, "a\0b", "a" * 513, "\udfff"])
def test_a_tag_is_checked(tag: Any) -> None:
    with pytest.raises(lf.InvalidArgument, match="tag"):
        check_tag(tag)
    with pytest.raises(lf.InvalidArgument, match="tag"):
        lf.Query.of(tags=[tag])


# new events


def test_everything_said_about_an_event_is_checked_and_encoded() -> None:
    id = uuid4()
    local = NOON.astimezone(timezone(timedelta(hours=5)))
    new = lf.NewEvent(Paid(amount=1), id=id, occurred_at=local, tags=["b", "a", "b"], metadata={"x": 1})
    [encoded] = encode_events([new], registry)
    assert encoded == (id, "shop.paid", 1, b'{"amount":1}', b'{"x":1}', ("a", "b"), NOON)


@pytest.mark.parametrize(
    ("events", "error", "said"),
    [
        (Paid(amount=1), lf.InvalidArgument, "takes a list of events"),
        ("events", lf.InvalidArgument, "takes a list of events"),
        ([Paid], lf.errors.UnknownEventType, "the class Paid was given where one of its instances"),
        ([object()], lf.errors.UnknownEventType, "not a registered event type"),
        ([lf.NewEvent(Paid(amount=1), id="x")], lf.InvalidArgument, "an event's id is a uuid"),  # type: ignore[arg-type]
        ([lf.NewEvent(Paid(amount=1), tags="a:1")], lf.InvalidArgument, "tags is a list of strings"),
        ([lf.NewEvent(Paid(amount=1), occurred_at=NAIVE)], lf.InvalidArgument, "occurred_at is the naive"),
        ([lf.RawEvent("", "{}")], lf.InvalidArgument, "is no event type name"),
        ([lf.RawEvent("x", "{}", 0)], lf.InvalidArgument, "schema_version is a whole number"),
        ([lf.RawEvent("x", "{")], lf.InvalidEvent, "not JSON"),
        ([lf.RawEvent("x", b'"\xff"')], lf.InvalidEvent, "not JSON"),
        ([lf.NewEvent(Paid(amount=1))] * 2, lf.InvalidArgument, "two events with the same id"),
    ],
)
def test_what_is_wrong_with_an_event_is_said(events: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        encode_events(events, registry)


def test_a_raw_event_is_kept_byte_for_byte() -> None:
    [encoded] = encode_events([lf.RawEvent("any.type", '{ "b":1,\n"a": 1.50 }', 4)], registry)
    assert encoded[1:4] == ("any.type", 4, b'{ "b":1,\n"a": 1.50 }')


# queries


def recorded(
    type: str = "shop.paid", stream: str = "Cart-7", tags: tuple[str, ...] = (), occurred: datetime = NOON
) -> lf.RecordedEvent:
    told = moment.to_text(occurred), moment.to_text(NOON + DAY)
    return lf.RecordedEvent(1, stream, 1, uuid7().bytes, type, 1, b'{"amount":1}', b"{}", tags, *told, registry)


def test_an_empty_query_matches_everything() -> None:
    assert lf.Query.ALL.matches(recorded())
    assert lf.Query.of() == lf.Query.ALL
    assert (lf.Query.ALL | lf.Query.of(Paid, registry=registry)).is_everything
    assert not lf.Query.of(category="Cart").is_everything


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (lf.Query.of(Paid, registry=registry), True),
        (lf.Query.of(Closed, registry=registry), False),
        (lf.Query.of(Paid | Closed, registry=registry), True),
        (lf.Query.of("shop.closed", "shop.paid"), True),
        (lf.Query.of("paid"), False),
        (lf.Query.of(tags=["a:1"]), True),
        (lf.Query.of(tags=["a:1", "b:2"]), True),
        (lf.Query.of(tags=["a:1", "c:3"]), False),
        (lf.Query.of(category="Cart"), True),
        (lf.Query.of(category="Car"), False),
        (lf.Query.of(occurred=(NOON, NOON)), True),
        (lf.Query.of(occurred=(None, NOON - timedelta(microseconds=1))), False),
        (lf.Query.of(occurred=(NOON + timedelta(microseconds=1), None)), False),
        (lf.Query.of(recorded=(NOON + DAY, None)), True),
        (lf.Query.of(recorded=(None, NOON)), False),
        (lf.Query.of(Paid, tags=["a:1"], category="Cart", occurred=(None, None), registry=registry), True),
        (lf.Query.of(Paid, tags=["a:1"], category="Car", registry=registry), False),
        (lf.Query.of(category="Car") | lf.Query.of(tags=["b:2"]), True),
        (lf.Query.of(category="Car") | lf.Query.of(tags=["c:3"]), False),
    ],
)
def test_all_given_parts_must_hold_and_or_is_or(query: lf.Query, matches: bool) -> None:
    assert query.matches(recorded(tags=("a:1", "b:2"))) is matches


def test_a_former_name_of_a_class_matches_too() -> None:
    assert lf.Query.of(Paid, registry=registry).matches(recorded(type="paid"))


def test_a_named_alias_of_a_union_is_that_union() -> None:
    alias = TypeAliasType("alias", Paid | Closed)  # type AccountEvent = …, since Python 3.12
    assert lf.Query.of(alias, registry=registry) == lf.Query.of(Paid, Closed, registry=registry)


def test_the_same_alternative_twice_is_one() -> None:
    query = lf.Query.of(category="Cart")
    assert query | query == query


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tags": "a:1"}, "tags is a list of strings"),
        ({"category": "a-b"}, "is no category"),
        ({"occurred": NOON}, "occurred is a pair"),
        ({"occurred": (NAIVE, None)}, "the start of occurred is the naive datetime"),
        ({"recorded": (None, "today")}, "the end of recorded must be an aware datetime"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(lf.InvalidArgument, match=said):
        lf.Query.of(**options)


def test_a_type_in_a_query_is_a_class_a_union_or_a_name() -> None:
    with pytest.raises(lf.InvalidArgument, match="a class, a union of classes or a stored name, not 7"):
        lf.Query.of(7)
    with pytest.raises(lf.errors.UnknownEventType, match=r"builtins\.int is not a registered"):
        lf.Query.of(int)


# recorded events


def test_a_recorded_event_decodes_when_it_is_asked() -> None:
    lost = recorded(type="shop.lost", stream="Cart-7-b")
    assert (lost.category, lost.stream_id, lost.data) == ("Cart", "7-b", b'{"amount":1}')
    with pytest.raises(lf.errors.UnknownEventType, match=r"shop\.lost"):
        _ = lost.event
    known = recorded()
    assert known.event == Paid(amount=1)
    assert known.event is known.event
    assert known != recorded()
    assert repr(known) == '<1 Cart-7@1 shop.paid {"amount":1}>'
