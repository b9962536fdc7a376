"""One type name, one class; and which classes can be events."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

import leftfold as lf


@dataclass(frozen=True)
class PaidDataclass:
    amount: int


@attrs.frozen
class PaidAttrs:
    amount: int


class PaidStruct(msgspec.Struct, frozen=True):
    amount: int


class PaidModel(pydantic.BaseModel, frozen=True):
    amount: int


@dataclass
class OpenDataclass:
    amount: int


@attrs.define
class OpenAttrs:
    amount: int


@attrs.define
class OpenAttrsThatValidates:
    """attrs gives it a __setattr__ of its own, which is not the one that freezes."""

    amount: int = attrs.field(validator=attrs.validators.instance_of(int))


class OpenStruct(msgspec.Struct):
    amount: int


class OpenModel(pydantic.BaseModel):
    amount: int


@pytest.fixture
def registry() -> lf.Registry:
    return lf.Registry()


def module(source: str, name: str, **names: Any) -> types.ModuleType:
    """A module of this name, run from its source, as an import or a reload would."""
    made = types.ModuleType(name)
    made.__dict__.update(lf=lf, **names)
    exec(source, made.__dict__)
    return made


@pytest.mark.parametrize("cls", [PaidDataclass, PaidAttrs, PaidStruct, PaidModel])
def test_every_kind_of_frozen_class_can_be_an_event(cls: Any, registry: lf.Registry) -> None:
    assert lf.event_type("shop.paid", schema_version=3, registry=registry)(cls) is cls
    assert registry.encode(cls(amount=5)) == ("shop.paid", 3, b'{"amount":5}', ())
    assert registry.decode(1, "shop.paid", 3, b'{"amount":5,"new":1}') == cls(amount=5)


@pytest.mark.parametrize("cls", [PaidDataclass, PaidAttrs, PaidStruct])
def test_a_field_of_the_wrong_type_is_refused_by_name(cls: Any, registry: lf.Registry) -> None:
    registry.register(cls, "shop.paid")
    with pytest.raises(lf.InvalidEvent, match=r"shop\.paid: Expected `int`, got `str` - at `\$\.amount`"):
        registry.encode(cls(amount="5"))


@pytest.mark.parametrize("cls", [OpenDataclass, OpenAttrs, OpenAttrsThatValidates, OpenStruct, OpenModel])
def test_a_class_that_can_change_is_refused(cls: type, registry: lf.Registry) -> None:
    with pytest.raises(lf.errors.EventTypeConflict, match=f"{cls.__name__} can be changed after it happened"):
        registry.register(cls, "shop.paid")


@pytest.mark.parametrize("cls", [int, dict, types.SimpleNamespace])
def test_a_class_of_another_kind_is_refused(cls: type, registry: lf.Registry) -> None:
    with pytest.raises(
        lf.errors.EventTypeConflict, match="expected a frozen dataclass, attrs class, msgspec Struct or"
    ):
        registry.register(cls, "shop.paid")


def test_an_event_that_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match="an event is immutable; frozen=False is refused"):

        class Loose(lf.Event, frozen=False):  # type: ignore[misc]
            amount: int


def test_an_event_is_named_after_its_class_or_as_it_says(registry: lf.Registry) -> None:
    class Paid(lf.Event, registry=registry):
        amount: int

    class Refunded(lf.Event, registry=registry, type="shop.refunded", schema_version=2):
        amount: int

    assert registry.encode(Paid(amount=1))[:2] == ("Paid", 1)
    assert registry.encode(Refunded(amount=1))[:2] == ("shop.refunded", 2)
    with pytest.raises(AttributeError):
        Paid(amount=1).amount = 2  # type: ignore[misc]


def test_two_classes_of_one_name_are_an_error_that_names_both(registry: lf.Registry) -> None:
    registry.register(PaidDataclass, "shop.paid")
    with pytest.raises(lf.errors.EventTypeConflict) as conflict:
        registry.register(PaidAttrs, "shop.paid")
    assert f"{__name__}.PaidDataclass and {__name__}.PaidAttrs" in str(conflict.value)
    assert registry.encode(PaidDataclass(1))[0] == "shop.paid"


def test_an_alias_is_a_name_like_any_other(registry: lf.Registry) -> None:
    registry.register(PaidDataclass, "shop.paid", aliases=("paid",))
    with pytest.raises(lf.errors.EventTypeConflict, match="'paid' is claimed by two classes"):
        registry.register(PaidAttrs, "other", aliases=("paid",))
    with pytest.raises(lf.errors.UnknownEventType):
        registry.named("other")


def test_a_former_name_still_decodes_and_is_asked_for_too(registry: lf.Registry) -> None:
    registry.register(PaidDataclass, "shop.paid", aliases=("paid", "Paid"))
    assert registry.decode(1, "paid", 1, b'{"amount":5}') == PaidDataclass(5)
    assert registry.encode(PaidDataclass(5))[0] == "shop.paid"
    [criterion] = lf.Query.of(PaidDataclass, registry=registry).criteria
    assert criterion.types == {"shop.paid", "paid", "Paid"}


def test_a_reload_replaces_the_class_and_forgets_the_names_it_gave_up(registry: lf.Registry) -> None:
    source = "class Paid(lf.Event, registry=registry, type='{0}', aliases={1}):\n    amount: int\n    {2}"
    first = module(source.format("shop.paid", ("old",), ""), "shop", registry=registry)
    second = module(source.format("shop.settled", ("shop.paid",), "note: str = ''"), "shop", registry=registry)
    assert type(registry.decode(1, "shop.paid", 1, b'{"amount":5}')) is second.Paid
    assert registry.encode(second.Paid(amount=5))[0] == "shop.settled"
    assert registry.encode(first.Paid(amount=5))[0] == "shop.paid"
    with pytest.raises(lf.errors.UnknownEventType, match="'old'"):
        registry.named("old")


def test_the_same_class_in_another_module_does_not_replace(registry: lf.Registry) -> None:
    source = "class Paid(lf.Event, registry=registry):\n    amount: int\n"
    module(source, "shop", registry=registry)
    with pytest.raises(lf.errors.EventTypeConflict, match=r"shop\.Paid and store\.Paid"):
        module(source, "store", registry=registry)


def test_registries_do_not_know_of_each_other(registry: lf.Registry) -> None:
    registry.register(PaidDataclass, "shop.paid")
    other = lf.Registry()
    other.register(PaidAttrs, "shop.paid")
    with pytest.raises(
        lf.errors.UnknownEventType, match="PaidDataclass is not a registered event type: derive it from lf"
    ):
        other.encode(PaidDataclass(5))
    assert other.decode(1, "shop.paid", 1, b'{"amount":5}') == PaidAttrs(5)


@pytest.mark.parametrize("name", ["", "a\0b", "ä" * 128, 7])
def test_a_name_is_checked_and_so_is_an_alias(name: Any, registry: lf.Registry) -> None:
    for options in ({"name": name}, {"name": "shop.paid", "aliases": (name,)}):
        with pytest.raises(lf.errors.EventTypeConflict, match="is no type name"):
            registry.register(PaidDataclass, **options)


def test_aliases_are_several(registry: lf.Registry) -> None:
    with pytest.raises(lf.errors.EventTypeConflict, match="aliases is a tuple of names, not the string 'old'"):
        registry.register(PaidDataclass, "shop.paid", aliases="old")  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [0, -1, 2**31, "1"])
def test_a_schema_version_is_checked(version: Any, registry: lf.Registry) -> None:
    with pytest.raises(lf.errors.EventTypeConflict, match="schema_version is a whole number from 1"):
        registry.register(PaidDataclass, "shop.paid", schema_version=version)


def test_what_cannot_be_decoded_says_where_and_why(registry: lf.Registry) -> None:
    registry.register(PaidDataclass, "shop.paid", schema_version=2)
    with pytest.raises(lf.errors.DecodeError, match="newer code has written this one") as newer:
        registry.decode(7, "shop.paid", 3, b'{"amount":5}')
    assert (newer.value.position, newer.value.type, newer.value.schema_version) == (7, "shop.paid", 3)
    with pytest.raises(
        lf.errors.DecodeError, match=r"at position 8 cannot be decoded: .*missing required field `amount`"
    ):
        registry.decode(8, "shop.paid", 1, b"{}")
    with pytest.raises(lf.errors.UnknownEventType, match=r"'shop\.lost': import the module that defines it"):
        registry.decode(9, "shop.lost", 1, b"{}")


def test_a_pydantic_model_that_no_longer_fits_is_a_decode_error(registry: lf.Registry) -> None:
    registry.register(PaidModel, "shop.paid")
    with pytest.raises(lf.errors.DecodeError, match="amount"):
        registry.decode(8, "shop.paid", 1, b'{"amount":"much"}')
