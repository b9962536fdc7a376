"""Read models as classes and as tables; nothing is stored here."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pytest

import leftfold as lf
from leftfold.read.model.amounts import Digits
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import Key, ReadModel
from tests.read.bank import Balance

AccountId = NewType("AccountId", str)


class Status(Enum):
    OPEN = "open"
    CLOSED = "closed"


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Address(msgspec.Struct, frozen=True):
    street: str
    number: int


class Everything(ReadModel):
    id: Key[AccountId]
    text: str
    number: int
    truth: bool
    ratio: float
    amount: Decimal
    small: Annotated[Decimal, Digits(5, 2)]
    moment: datetime
    day: date
    uuid: UUID
    raw: bytes
    status: Status
    kind: Literal["a", "b"]
    tags: list[str]
    address: Address
    maybe: Annotated[Decimal, Digits(9, 3)] | None = None


def test_the_table_is_named_after_the_class() -> None:
    class HTTPRequestSummary2(ReadModel):
        id: Key[str]

    assert definition_of(Balance).name == "balance"
    assert definition_of(HTTPRequestSummary2).name == "http_request_summary2"


def test_the_class_statement_may_name_the_table_and_a_subclass_has_its_own() -> None:
    class First(ReadModel, table="the_first"):
        id: Key[str]

    class Second(First):
        more: int = 0

    assert definition_of(First).name == "the_first"
    assert definition_of(Second).name == "second"
    assert [one.name for one in definition_of(Second).fields] == ["id", "more"]


def test_every_kind_of_field_has_a_column_and_only_optional_ones_may_be_null() -> None:
    fields = {one.name: one for one in definition_of(Everything).fields}
    assert list(fields) == list(Everything.__struct_fields__)
    assert [name for name, one in fields.items() if one.nullable] == ["maybe"]
    assert [name for name, one in fields.items() if one.is_key] == ["id"]


def test_a_condition_on_a_column_is_sqlalchemys() -> None:
    assert str(Balance.c.amount > 100) == "balance.amount > :amount_1"
    assert set(dir(Balance.c)) == set(Balance.__struct_fields__)


def test_a_misspelt_column_is_an_error_that_lists_the_columns() -> None:
    with pytest.raises(AttributeError, match=r"'amuont'; its columns are account_id, owner, amount, deposits, last_at"):
        Balance.c.amuont  # noqa: B018


def test_replace_returns_a_changed_copy() -> None:
    row = Balance("alice", "Alice")
    changed = row.replace(amount=Decimal(5))
    assert (changed.account_id, changed.amount) == ("alice", Decimal(5))
    assert row.amount == Decimal(0)


def test_replace_refuses_a_field_that_the_model_does_not_have() -> None:
    with pytest.raises(TypeError, match="amuont"):
        Balance("alice", "Alice").replace(amuont=Decimal(5))


def test_a_row_cannot_be_changed_in_place() -> None:
    row: Any = Balance("alice", "Alice")
    with pytest.raises(AttributeError):
        row.owner = "Bob"
    with pytest.raises(lf.InvalidArgument, match="frozen=False"):

        class Soft(ReadModel, frozen=False):  # type: ignore[misc]
            id: Key[str]


def test_a_model_without_a_key_is_refused() -> None:
    class Keyless(ReadModel):
        owner: str

    with pytest.raises(lf.InvalidArgument, match=r"Keyless has 0 key fields.*lf\.Key"):
        definition_of(Keyless)


def test_a_struct_that_is_no_read_model_is_refused() -> None:
    with pytest.raises(lf.InvalidArgument, match=r"derive it from lf\.ReadModel"):
        definition_of(Address)


@pytest.mark.parametrize("key", [bool, float, bytes, list[str], str | None, Address])
def test_what_cannot_tell_rows_apart_is_no_key(key: Any) -> None:
    made = _model(id=Annotated[key, *_marks()])
    with pytest.raises(lf.InvalidArgument, match=r"Made\.id: a key is"):
        definition_of(made)


@pytest.mark.parametrize("annotation", [complex, timedelta, object, int | str, Mixed, Literal["a", 1]])
def test_a_type_without_a_column_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(lf.InvalidArgument, match=r"Made\.odd: "):
        definition_of(_model(id=Key[str], odd=annotation))


def test_a_type_that_does_not_exist_yet_is_named() -> None:
    class Early(ReadModel):
        id: Key[str]
        later: Later  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(lf.InvalidArgument, match="Early: name 'Later' is not defined"):
        definition_of(Early)


def test_digits_are_for_decimals_and_fit_64_bits() -> None:
    with pytest.raises(lf.InvalidArgument, match=r"Made.odd: lf\.Digits is for a Decimal"):
        definition_of(_model(id=Key[str], odd=Annotated[int, Digits(9, 2)]))
    for precision, scale in ((20, 4), (0, 0), (4, 5), (4, -1)):
        with pytest.raises(lf.InvalidArgument, match="expected 1 to 19 digits"):
            Digits(precision, scale)


@pytest.mark.parametrize(
    "table", ["events", "checkpoints", "leftfold_mine", "sqlite_x", "pg_x", "Über", "a b", "a" * 64]
)
def test_a_table_may_not_have_a_name_that_is_taken_or_no_name(table: str) -> None:
    class Named(ReadModel, table=table):
        id: Key[str]

    with pytest.raises(lf.InvalidArgument, match="Named: "):
        definition_of(Named)


@pytest.mark.parametrize("column", ["ctid", "rowid", "ID", "x" * 64])
def test_a_column_may_not_have_a_name_that_a_database_keeps_or_mixes_up(column: str) -> None:
    with pytest.raises(lf.InvalidArgument, match=f"Made.{column}: "):
        definition_of(_model(**{"id": Key[str], column: str}))


def test_replace_is_no_name_for_a_field() -> None:
    with pytest.raises(lf.InvalidArgument, match="replace"):
        _model(id=Key[str], replace=str)


def test_several_key_fields_make_one_key_together() -> None:
    class Seat(ReadModel):
        hall: Key[str]
        number: Key[int]
        guest: str = ""

    definition = definition_of(Seat)
    assert definition.key_of(Seat("main", 7)) == ("main", 7)
    assert definition.key_values(("main", 7)) == ("main", 7)
    with pytest.raises(lf.InvalidArgument, match=r"a tuple \(hall, number\), not 'main'"):
        definition.key_values("main")
    with pytest.raises(lf.InvalidArgument, match="number: expected an int"):
        definition.key_values(("main", "7"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount": 5}, "Balance.amount of 'alice': expected a Decimal up to 922337203685477.5807"),
        ({"amount": Decimal("0.00001")}, "never rounded"),
        ({"amount": Decimal("922337203685477.5808")}, "never rounded"),
        ({"amount": Decimal(10) ** 30}, "never rounded"),
        ({"amount": Decimal("NaN")}, "Balance.amount"),
        ({"amount": Decimal("-Infinity")}, "Balance.amount"),
        ({"owner": None}, "Balance.owner of 'alice': expected a str, found None"),
        ({"owner": "a\0b"}, "NUL"),
        ({"owner": "\ud800"}, "lone surrogate"),
        ({"deposits": 2**63}, "expected an int of 64 bits"),
        ({"deposits": True}, "expected an int of 64 bits"),
        ({"last_at": datetime(2026, 1, 15)}, "naive"),  # noqa: DTZ001
        ({"last_at": "2026-01-15"}, "expected an aware datetime"),
        ({"account_id": "x" * 513}, "at most 512 bytes"),
    ],
)
def test_a_row_that_the_table_could_not_give_back_is_refused(changes: dict[str, Any], message: str) -> None:
    row = Balance("alice", "Alice").replace(**changes)
    with pytest.raises(lf.InvalidArgument) as caught:
        definition_of(Balance).checker()(row)
    assert message in str(caught.value)


def test_a_row_that_fits_to_the_last_digit_passes() -> None:
    check = definition_of(Balance).checker()
    for amount in ("922337203685477.5807", "-922337203685477.5807", "1.00000000", "1E+14", "-0"):
        check(Balance("alice", "Alice", Decimal(amount)))


def _marks() -> tuple[Any, ...]:
    annotation: Any = Key[str]
    return tuple(annotation.__metadata__)


def _model(**annotations: Any) -> type[ReadModel]:
    metaclass: Any = type(ReadModel)
    made: type[ReadModel] = metaclass("Made", (ReadModel,), {"__annotations__": annotations, "__module__": __name__})
    return made
