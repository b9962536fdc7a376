"""An event becomes JSON that means exactly the same, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import leftfold as lf
from leftfold.events.codec import MAX_EVENT_BYTES, encode_mapping

registry = lf.Registry()


class Colour(Enum):
    RED = "red"


class Part(msgspec.Struct, frozen=True):
    name: str
    amount: Decimal
    at: datetime | None = None


class Everything(lf.Event, registry=registry):
    text: str = ""
    number: int = 0
    real: float = 0.0
    flag: bool = False
    amount: Decimal = Decimal(0)
    at: datetime | None = None
    on: date | None = None
    when: time | None = None
    id: UUID | None = None
    colour: Colour = Colour.RED
    parts: tuple[Part, ...] = ()
    by_name: dict[str, list[Decimal]] = {}  # noqa: RUF012 - msgspec copies it
    by_moment: dict[datetime, int] = {}  # noqa: RUF012
    by_amount: dict[Decimal, int] = {}  # noqa: RUF012
    blob: bytes = b""
    anything: Any = None


class Measured(pydantic.BaseModel, frozen=True):
    amount: Decimal
    at: datetime
    note: str = pydantic.Field(default="", alias="Note")


registry.register(Measured, "measured")

amounts = st.decimals(allow_nan=False, allow_infinity=False)
zones = st.one_of(
    st.just(UTC), st.integers(-12 * 60, 12 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
)
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001 - zones are drawn
words = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**200), 2**200),
        st.floats(allow_nan=False, allow_infinity=False),
        words,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=10,
)
everything = st.builds(
    Everything,
    text=words,
    number=st.integers(-(2**200), 2**200),
    real=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    amount=amounts,
    at=st.none() | moments,
    on=st.none() | st.dates(),
    when=st.none() | st.times(),
    id=st.none() | st.uuids(),
    parts=st.lists(st.builds(Part, name=words, amount=amounts, at=st.none() | moments), max_size=3).map(tuple),
    by_name=st.dictionaries(words, st.lists(amounts, max_size=3), max_size=3),
    by_moment=st.dictionaries(moments, st.integers(0, 9), max_size=2),
    by_amount=st.dictionaries(amounts, st.integers(0, 9), max_size=2),
    blob=st.binary(),
    anything=json_values,
)


def encode(**fields: Any) -> bytes:
    return registry.encode(Everything(**fields))[2]


def decode(data: bytes) -> Any:
    return registry.decode(1, "Everything", 1, data)


@settings(max_examples=150, deadline=None)
@given(event=everything)
def test_what_is_accepted_comes_back_equal_and_encodes_to_the_same_bytes(event: Everything) -> None:
    data = registry.encode(event)[2]
    again = decode(data)
    assert again == event
    assert type(again.amount) is Decimal
    assert registry.encode(again)[2] == data
    assert str(again.amount) == str(event.amount), "the digits of 1.10 are part of it"


@pytest.mark.parametrize(
    ("given_", "stored"),
    [({"amount": 5}, b'"amount":"5"'), ({"amount": Decimal("1.10")}, b'"amount":"1.10"'), ({"real": 1}, b'"real":1.0')],
)
def test_what_is_stored_is_canonical(given_: dict[str, Any], stored: bytes) -> None:
    assert stored in encode(**given_)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"real": float("nan")}, r"\$\.real"),
        ({"real": float("inf")}, r"\$\.real"),
        ({"anything": float("-inf")}, r"-inf is no JSON number - at `\$\.anything`"),
        ({"amount": Decimal("NaN")}, r"\$\.amount"),
        ({"amount": Decimal("sNaN")}, r"\$\.amount"),
        ({"amount": Decimal("-Infinity")}, r"-Infinity is no amount that can be stored - at `\$\.amount`"),
        ({"amount": 0.1}, r"0\.1 would come back as Decimal\('0\.1'\) - at `\$\.amount`"),
        ({"amount": True}, r"\$\.amount"),
        ({"by_name": {"a": [Decimal(1), Decimal("Infinity")]}}, r"at `\$\.by_name\.a\[1\]`"),
        ({"by_amount": {Decimal("Infinity"): 1}}, r"Infinity is no amount"),
        ({"parts": (Part("a", Decimal("Infinity")),)}, r"at `\$\.parts\[0\]\.amount`"),
        ({"number": "5"}, r"Expected `int`, got `str` - at `\$\.number`"),
        ({"flag": 1}, r"Expected `bool`, got `int` - at `\$\.flag`"),
        ({"anything": Decimal(5)}, r"Decimal\('5'\) would come back as '5' - at `\$\.anything`"),
        ({"anything": (1, 2)}, r"\(1, 2\) would come back as \[1, 2\] - at `\$\.anything`"),
        ({"anything": object()}, r"object"),
        ({"text": "\ud800"}, r"lone surrogate"),
        ({"parts": [Part("a", Decimal(1))]}, r"\$\.parts"),
    ],
)
def test_what_would_not_come_back_is_refused_by_field(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(lf.InvalidEvent, match=rf"Everything: .*{said}"):
        encode(**fields)


NAIVE = datetime(2026, 1, 16)  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    "fields",
    [{"at": NAIVE}, {"parts": (Part("a", Decimal(1), NAIVE),)}, {"by_moment": {NAIVE: 1}}, {"anything": NAIVE}],
)
def test_a_naive_datetime_is_refused_wherever_it_stands(fields: dict[str, Any]) -> None:
    with pytest.raises(lf.InvalidEvent, match=r"naive datetime|would come back as '2026-01-16T00:00:00'"):
        encode(**fields)


def test_text_that_only_looks_suspicious_is_text() -> None:
    assert decode(encode(text="2026-01-16T00:00:00")).text == "2026-01-16T00:00:00"
    assert decode(encode(text="Infinity", anything={"Infinity": ["Infinity"]})).text == "Infinity"


def test_an_offset_that_rfc_3339_cannot_say_is_refused() -> None:
    with pytest.raises(lf.InvalidEvent, match="at"):
        encode(at=datetime(1800, 1, 1, tzinfo=ZoneInfo("Europe/Prague")))  # local mean time, with seconds


def test_nesting_that_is_too_deep_is_refused() -> None:
    nested: Any = None
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(lf.InvalidEvent, match="nested too deeply"):
        encode(anything=nested)
    while nested:  # taken apart by hand: Python's own way down is recursive
        nested = nested.pop()


def test_an_event_over_the_limit_is_refused_with_its_size() -> None:
    assert len(encode(text="a" * 2**20)) > 2**20
    with pytest.raises(lf.errors.EventTooLarge, match="bytes; at most 16,777,216 are stored"):
        encode(text="a" * MAX_EVENT_BYTES)


def test_fields_of_a_pydantic_model_keep_their_alias_and_digits() -> None:
    event = Measured(amount=Decimal("1.10"), at=datetime(2026, 1, 16, tzinfo=UTC), Note="dry")
    data = registry.encode(event)[2]
    assert data == b'{"amount":"1.10","at":"2026-01-16T00:00:00Z","Note":"dry"}'
    assert registry.decode(1, "measured", 1, data) == event


@pytest.mark.parametrize(
    "make",
    [
        lambda: Measured(amount=Decimal(1), at=NAIVE),
        lambda: Measured.model_construct(amount=Decimal("Infinity"), at=datetime(2026, 1, 16, tzinfo=UTC)),
        lambda: Measured.model_construct(amount=Decimal("NaN"), at=datetime(2026, 1, 16, tzinfo=UTC)),
    ],
)
def test_a_pydantic_model_is_checked_alike(make: Callable[[], Measured]) -> None:
    with pytest.raises(lf.InvalidEvent, match="measured: "):
        registry.encode(make())


def test_metadata_is_json_or_refused() -> None:
    assert encode_mapping({"a": [1, {"b": None}]}, "metadata") == b'{"a":[1,{"b":null}]}'
    for wrong in ({"at": NAIVE}, {"amount": Decimal(1)}, {"real": float("nan")}, {"id": UUID(int=0)}):
        with pytest.raises(lf.InvalidEvent, match=r"metadata: .*would come back as|metadata: nan is no JSON number"):
            encode_mapping(wrong, "metadata")
