"""Tags declared on fields: which tags an event gets, for every kind of class, and what cannot be a tag."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, NewType
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypeAliasType

import leftfold as lf
from leftfold.events.new import encode_events

SOME = UUID("0197C2B0-7A3E-7F64-8F1B-2D5F6A9C0E11")
STUDENT = lf.Tag("student")

StudentId = NewType("StudentId", str)
Course = Annotated[str, lf.Tag("course")]
Courses = TypeAliasType("Courses", list[Course])  # type Courses = …, since Python 3.12
Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str")


class Room(StrEnum):
    SMALL = "small"


class Level(IntEnum):
    FIRST = 1


class Kind(Enum):
    EVENING = "evening"


class Share(Enum):
    HALF = 0.5


class Shouting(str):
    """Its text is one thing, what str() makes of it another."""

    def __str__(self) -> str:
        return self.upper()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Nested(msgspec.Struct, frozen=True):
    name: str


@dataclass(frozen=True)
class SubscribedDataclass:
    student_id: Annotated[str, lf.Tag("student")]
    course_id: Annotated[str, lf.Tag("course")]
    note: str = ""


@attrs.frozen
class SubscribedAttrs:
    student_id: Annotated[str, lf.Tag("student")]
    course_id: Annotated[str, lf.Tag("course")]
    note: str = ""


class SubscribedStruct(msgspec.Struct, frozen=True):
    student_id: Annotated[str, lf.Tag("student")]
    course_id: Annotated[str, lf.Tag("course")]
    note: str = ""


class SubscribedModel(pydantic.BaseModel, frozen=True):
    student_id: Annotated[str, lf.Tag("student")]
    course_id: Annotated[str, lf.Tag("course")]
    note: str = ""


@pytest.fixture
def registry() -> lf.Registry:
    return lf.Registry()


def declared(registry: lf.Registry, annotation: Any) -> type[Any]:
    """An event class with one field."""
    namespace = {"__annotations__": {"field": annotation}, "__module__": __name__}
    meta: Any = type(lf.Event)
    made: type[Any] = meta("Made", (lf.Event,), namespace, registry=registry)
    return made


def tags_of(registry: lf.Registry, event: Any) -> tuple[str, ...]:
    [encoded] = encode_events([event], registry)
    return encoded.tags


@pytest.mark.parametrize("cls", [SubscribedDataclass, SubscribedAttrs, SubscribedStruct, SubscribedModel])
def test_every_kind_of_event_is_tagged_with_its_fields(cls: Any, registry: lf.Registry) -> None:
    registry.register(cls, "subscribed")
    assert tags_of(registry, cls(student_id="7", course_id="c1")) == ("course:c1", "student:7")


def test_tags_of_fields_and_tags_given_are_put_together(registry: lf.Registry) -> None:
    registry.register(SubscribedStruct, "subscribed")
    event = SubscribedStruct("7", "c1")
    assert tags_of(registry, lf.NewEvent(event)) == ("course:c1", "student:7")
    given = lf.NewEvent(event, tags=["term:2026", "student:7", "a"])
    assert tags_of(registry, given) == ("a", "course:c1", "student:7", "term:2026")


def test_an_event_that_is_given_as_json_has_the_tags_given_and_no_others(registry: lf.Registry) -> None:
    registry.register(SubscribedStruct, "subscribed")
    raw = lf.RawEvent("subscribed", '{"student_id":"7","course_id":"c1"}')
    assert tags_of(registry, raw) == ()
    assert tags_of(registry, lf.NewEvent(raw, tags=["a"])) == ("a",)


@pytest.mark.parametrize(
    ("annotation", "value", "tags"),
    [
        (Annotated[str, STUDENT], "7", ("student:7",)),
        (Annotated[str, STUDENT], "a:b ä", ("student:a:b ä",)),
        (Annotated[int, STUDENT], -7, ("student:-7",)),
        (Annotated[UUID, STUDENT], SOME, ("student:0197c2b0-7a3e-7f64-8f1b-2d5f6a9c0e11",)),
        (Annotated[Room, STUDENT], Room.SMALL, ("student:small",)),
        (Annotated[Level, STUDENT], Level.FIRST, ("student:1",)),
        (Annotated[Kind, STUDENT], Kind.EVENING, ("student:evening",)),
        (Annotated[Literal["a", "b"], STUDENT], "b", ("student:b",)),
        (Annotated[Literal[1, None], STUDENT], None, ()),
        (Annotated[StudentId, STUDENT], StudentId("7"), ("student:7",)),
        (Annotated[str | int, STUDENT], 7, ("student:7",)),
        (Annotated[str, STUDENT, msgspec.Meta(max_length=5), lf.Tag("person")], "7", ("person:7", "student:7")),
        (Annotated[str | None, STUDENT], None, ()),
        (Annotated[str, STUDENT] | None, None, ()),
        (Annotated[str, STUDENT] | None, "7", ("student:7",)),
        (Annotated[list[str], STUDENT], ["8", "7", "7"], ("student:7", "student:8")),
        (Annotated[list[str], STUDENT], [], ()),
        (Annotated[list[str | None] | None, STUDENT], [None, "7"], ("student:7",)),
        (Annotated[list[str] | None, STUDENT], None, ()),
        (list[Annotated[str, STUDENT]], ["7"], ("student:7",)),
        (tuple[Annotated[int, STUDENT], ...], (7, 8), ("student:7", "student:8")),
        (Annotated[tuple[str, int], STUDENT], ("a", 7), ("student:7", "student:a")),
        (Annotated[frozenset[UUID], STUDENT], frozenset({SOME}), (f"student:{SOME}",)),
        (Annotated[Sequence[str], STUDENT], ["7"], ("student:7",)),
    ],
    ids=str,
)
def test_a_value_becomes_a_tag_as_it_stands_in_json(
    annotation: Any, value: Any, tags: tuple[str, ...], registry: lf.Registry
) -> None:
    assert tags_of(registry, declared(registry, annotation)(value)) == tags


def test_fields_may_share_a_name_and_then_one_value_is_one_tag(registry: lf.Registry) -> None:
    class Transferred(lf.Event, registry=registry):
        origin: Annotated[str, lf.Tag("account")]
        target: Annotated[str, lf.Tag("account")]

    assert tags_of(registry, Transferred("a", "b")) == ("account:a", "account:b")
    assert tags_of(registry, Transferred("a", "a")) == ("account:a",)


def test_tags_are_inherited_and_a_field_declared_anew_declares_them_anew(registry: lf.Registry) -> None:
    class About(msgspec.Struct, frozen=True):
        student_id: Annotated[str, STUDENT]

    class Subscribed(lf.Event, About, registry=registry):
        course_id: Course

    class Left(Subscribed, registry=registry):
        student_id: str
        reason: str = ""

    assert tags_of(registry, Subscribed("7", "c1")) == ("course:c1", "student:7")
    assert tags_of(registry, Left("7", "c1")) == ("course:c1",)


def test_the_names_that_fields_have_in_json_do_not_matter(registry: lf.Registry) -> None:
    class Renamed(lf.Event, registry=registry, rename="camel"):
        student_id: Annotated[str, STUDENT]

    class Aliased(pydantic.BaseModel, frozen=True, populate_by_name=True):
        student_id: Annotated[str, STUDENT] = pydantic.Field(alias="studentId")

    registry.register(Aliased, "aliased")
    assert tags_of(registry, Renamed("7")) == tags_of(registry, Aliased(studentId="7")) == ("student:7",)


def test_what_pydantic_allows_beyond_msgspec_is_tagged_too(registry: lf.Registry) -> None:
    class Moved(pydantic.BaseModel, frozen=True):
        student_id: Annotated[Shouting, STUDENT]
        courses: Courses = []

    registry.register(Moved, "moved")
    moved = Moved(student_id=Shouting("seven"), courses=["c1", "c2"])
    assert tags_of(registry, moved) == ("course:c1", "course:c2", "student:seven")


def test_a_query_asks_for_the_same_tag() -> None:
    assert STUDENT.of("7") == STUDENT.of(7) == "student:7"
    assert STUDENT.of(SOME) == f"student:{SOME}"
    assert STUDENT.of(Kind.EVENING) == "student:evening"
    for value in ("", None, True, 7.0, Decimal(7), Share.HALF, b"7"):
        with pytest.raises(lf.InvalidArgument, match=r"is no value for the tag 'student': expected a str that is not"):
            STUDENT.of(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", r"'' is no value for the tag 'student': expected a str that is not empty.* - at `\$\.field`"),
        ("a\0b", r"'student:a\\x00b' is no tag: it contains a NUL character - at `\$\.field`"),
        ("a" * 505, r"has 513 bytes of UTF-8; at most 512 are allowed - at `\$\.field`"),
    ],
)
def test_a_value_that_makes_no_tag_is_an_invalid_event_that_names_the_field(
    value: str, said: str, registry: lf.Registry
) -> None:
    with pytest.raises(lf.InvalidEvent, match=f"Made: .*{said}"):
        tags_of(registry, declared(registry, Annotated[str, STUDENT])(value))
    with pytest.raises(lf.InvalidEvent, match=said):
        tags_of(registry, declared(registry, Annotated[list[str], STUDENT])(["7", value]))


@pytest.mark.parametrize(
    "plain",
    [
        Decimal,
        float,
        datetime,
        date,
        bool,
        bytes,
        Nested,
        Any,
        Share,
        Literal["a", True],
        str | float,
        dict[str, str],
        list,
        list[float],
        list[list[str]],
        tuple[str, bool],
        Json,
    ],
    ids=str,
)
def test_a_field_that_cannot_be_a_tag_is_refused_with_its_class(plain: Any, registry: lf.Registry) -> None:
    with pytest.raises(
        lf.errors.EventTypeConflict, match=r"Made\.field: .* cannot be a tag: expected a str, an int, a UUID"
    ):
        declared(registry, Annotated[plain, STUDENT])
    with pytest.raises(lf.errors.UnknownEventType):
        registry.named("Made")


@pytest.mark.parametrize(
    "annotation",
    [
        dict[str, Annotated[str, STUDENT]],
        list[list[Annotated[str, STUDENT]]],
        tuple[Annotated[str, STUDENT], str],
        Annotated[str, STUDENT] | int,
        Annotated[list[Annotated[str, STUDENT] | int], STUDENT],
    ],
    ids=str,
)
def test_a_tag_where_it_would_be_overlooked_is_refused(annotation: Any, registry: lf.Registry) -> None:
    with pytest.raises(
        lf.errors.EventTypeConflict, match=r"Made\.field: lf\.Tag belongs on the whole field, or on all"
    ):
        declared(registry, annotation)


@pytest.mark.parametrize("cls", [SubscribedDataclass, SubscribedAttrs, SubscribedModel])
def test_the_class_of_another_kind_is_refused_alike(cls: type, registry: lf.Registry) -> None:
    namespace = {"__annotations__": {"amount": Annotated[Decimal, lf.Tag("amount")]}, "__module__": __name__}
    made: Any
    if cls is SubscribedModel:
        meta: Any = type(pydantic.BaseModel)
        made = meta("Made", (pydantic.BaseModel,), {**namespace, "model_config": {"frozen": True}})
    else:
        made = (attrs.frozen if cls is SubscribedAttrs else dataclass(frozen=True))(type("Made", (), namespace))
    with pytest.raises(lf.errors.EventTypeConflict, match=r"Made\.amount: .*Decimal.* cannot be a tag"):
        registry.register(made, "made")


def test_a_tag_without_a_name_and_a_tag_on_no_field_are_refused(registry: lf.Registry) -> None:
    with pytest.raises(lf.errors.EventTypeConflict, match=r"Made\.field: lf\.Tag has a name: lf\.Tag\('student'\)"):
        declared(registry, Annotated[str, lf.Tag])
    with pytest.raises(
        lf.errors.EventTypeConflict, match=r"Noted\.school: lf\.Tag is for a field, and this is no field"
    ):

        class Noted(lf.Event, registry=registry):
            school: ClassVar[Annotated[str, lf.Tag("school")]] = "north"


@pytest.mark.parametrize("name", ["", "a:b", "a\0b", "a" * 513, 7, None])
def test_the_name_of_a_tag_is_checked(name: Any) -> None:
    with pytest.raises(lf.InvalidArgument, match="tag"):
        lf.Tag(name)


LATER = """
from __future__ import annotations
from typing import Annotated
class Subscribed(lf.Event, registry=registry):
    student_id: Annotated[str, lf.Tag("student")]
    place: Place
class Wrong(lf.Event, registry=registry):
    amount: Annotated[float, lf.Tag("amount")]
    place: Place
class Plain(lf.Event, registry=registry):
    place: Place
"""


def test_a_class_that_mentions_what_is_defined_after_it_is_looked_at_when_its_first_event_comes(
    registry: lf.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = types.ModuleType("later")
    module.__dict__.update(lf=lf, registry=registry)
    monkeypatch.setitem(__import__("sys").modules, "later", module)
    exec(LATER, module.__dict__)
    with pytest.raises(lf.InvalidEvent, match="Place"):
        tags_of(registry, module.Subscribed("7", Nested("north")))
    module.Place = Nested
    assert tags_of(registry, module.Subscribed("7", Nested("north"))) == ("student:7",)
    assert tags_of(registry, module.Subscribed("8", Nested("north"))) == ("student:8",)
    assert tags_of(registry, module.Plain(Nested("north"))) == ()
    with pytest.raises(lf.errors.EventTypeConflict, match=r"Wrong\.amount: .*float.* cannot be a tag"):
        tags_of(registry, module.Wrong(1.0, Nested("north")))


def test_a_pydantic_model_that_is_completed_later_is_looked_at_then(registry: lf.Registry) -> None:
    class Subscribed(pydantic.BaseModel, frozen=True):
        student_id: Annotated[str, STUDENT]
        place: Place  # type: ignore[name-defined]  # noqa: F821

    registry.register(Subscribed, "subscribed")
    Subscribed.model_rebuild(_types_namespace={"Place": str})
    assert tags_of(registry, Subscribed(student_id="7", place="north")) == ("student:7",)


def test_a_field_that_contains_itself_is_no_obstacle(registry: lf.Registry) -> None:
    registry.register(dataclass(frozen=True)(type("Free", (), {"__annotations__": {"data": Json}})), "free")
