"""The registry: one type name, one class; and how an instance becomes JSON and comes back.

msgspec does not check constructors, so the append checks the event: it decodes the JSON again as the event's type, and
the result must equal the event. That finds a wrong field type, NaN, an infinity, a float where a Decimal is declared,
and whatever JSON cannot carry, before anything is written.
"""

from __future__ import annotations

import dataclasses
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from leftfold.arguments import is_whole_number
from leftfold.errors import DecodeError, EventTypeConflict, InvalidArgument, InvalidEvent, UnknownEventType
from leftfold.events.codec import Codec, codec_for
from leftfold.events.tag import EventTags, event_tags_of


@dataclasses.dataclass(frozen=True, slots=True)
class EventType:
    """A class as an event: its stable name, schema version, codec, and tags if its fields declare any."""

    cls: type
    name: str
    schema_version: int
    aliases: tuple[str, ...]
    codec: Codec
    tagging: EventTags | None

    def __str__(self) -> str:
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    def is_redefinition_of(self, other: EventType) -> bool:
        """The same source, run again: a reload, or a notebook's cell."""
        return str(self) == str(other)


class Registry:
    """Event classes by type name. Beside the default registry, another isolates (tests, plug-ins)."""

    def __init__(self) -> None:
        self._by_name: dict[str, EventType] = {}
        self._by_class: dict[type, EventType] = {}

    def register(self, cls: type, name: str, *, schema_version: int = 1, aliases: tuple[str, ...] = ()) -> None:
        """Enter a class. The same module and qualified name replaces; any other holder of the name is an error."""
        for claimed in (name, *_checked_aliases(cls, aliases)):
            _check_name(cls, claimed, schema_version)
        _check_frozen(cls)
        entry = EventType(cls, name, schema_version, tuple(aliases), codec_for(cls), event_tags_of(cls))
        for claimed in (name, *aliases):
            holder = self._by_name.get(claimed)
            if holder is not None and not entry.is_redefinition_of(holder):
                raise EventTypeConflict(
                    f"the event type name {claimed!r} is claimed by two classes, {holder} and {entry}: "
                    f'give one of them another name (type="…"), or a registry of its own'
                )
        for former in [known for known in self._by_name.values() if entry.is_redefinition_of(known)]:
            for claimed in (former.name, *former.aliases):
                self._by_name.pop(claimed, None)
        self._by_class[cls] = entry
        for claimed in (name, *aliases):
            self._by_name[claimed] = entry

    def of(self, cls: type) -> EventType:
        """The event type of a class; `UnknownEventType` if it was never entered here."""
        try:
            return self._by_class[cls]
        except KeyError:
            raise UnknownEventType(
                f"{cls.__module__}.{cls.__qualname__} is not a registered event type: derive it from lf.Event, or "
                'decorate it with @lf.event_type("…")'
            ) from None

    def named(self, name: str) -> EventType:
        """The event type of a stored name or alias; `UnknownEventType` if no class claims it."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownEventType(
                f"no class is registered for the event type {name!r}: import the module that defines it, or keep its "
                "former name as an alias (aliases=(…,))"
            ) from None

    def names_of(self, what: Any) -> tuple[str, ...]:
        """Every stored name of an event class (its aliases too), of each member of a union, or the name given."""
        if isinstance(what, type):
            entry = self.of(what)
            return (entry.name, *entry.aliases)
        if isinstance(what, str):
            if not what or "\0" in what:
                raise InvalidArgument(f"{what!r} is no event type name: expected 1 to 255 bytes, without NUL")
            return (what,)
        if hasattr(what, "__value__"):  # type AccountEvent = …, since Python 3.12
            return self.names_of(what.__value__)
        if get_origin(what) in (Union, UnionType):
            return tuple(name for member in get_args(what) for name in self.names_of(member))
        raise InvalidArgument(f"an event type is a class, a union of classes or a stored name, not {what!r}")

    def encode(self, event: Any) -> tuple[str, int, bytes, tuple[str, ...]]:
        """Type name, schema version, JSON and declared tags; `InvalidEvent` naming the field that does not fit."""
        entry = self.of(type(event))
        try:
            data = entry.codec.encode(event)
            return entry.name, entry.schema_version, data, entry.tagging.tags_of(event) if entry.tagging else ()
        except InvalidEvent as error:
            raise type(error)(f"{entry.name}: {error}") from error.__cause__

    def decode(self, position: int, name: str, schema_version: int, data: bytes) -> Any:
        """A stored event as today's class; `UnknownEventType` or `DecodeError`."""
        entry = self.named(name)
        if schema_version > entry.schema_version:
            raise DecodeError(
                position,
                name,
                schema_version,
                f"{entry} knows schema versions up to {entry.schema_version}; newer code has written this one",
            )
        try:
            return entry.codec.decode(data)
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise DecodeError(position, name, schema_version, str(error)) from error


default_registry = Registry()


def _check_name(cls: type, name: str, schema_version: int) -> None:
    if not isinstance(name, str) or not name or "\0" in name or len(name.encode()) > 255:
        raise EventTypeConflict(f"{cls.__qualname__}: {name!r} is no type name: expected 1 to 255 bytes, without NUL")
    if not is_whole_number(schema_version, least=1, most=2**31 - 1):
        raise EventTypeConflict(f"{cls.__qualname__}: schema_version is a whole number from 1, not {schema_version!r}")


def _checked_aliases(cls: type, aliases: Any) -> tuple[str, ...]:
    if isinstance(aliases, str):
        raise EventTypeConflict(f"{cls.__qualname__}: aliases is a tuple of names, not the string {aliases!r}")
    return tuple(aliases)


def _check_frozen(cls: type) -> None:
    if issubclass(cls, msgspec.Struct):
        frozen = cls.__struct_config__.frozen
    elif hasattr(cls, "__pydantic_fields__"):
        frozen = bool(getattr(cls, "model_config", {}).get("frozen"))
    elif hasattr(cls, "__attrs_attrs__"):
        frozen = cls.__setattr__.__name__ == "_frozen_setattrs"  # hooks that validate replace __setattr__ too
    elif dataclasses.is_dataclass(cls):
        frozen = getattr(cls, "__dataclass_params__").frozen  # noqa: B009 - private to typeshed
    else:
        raise EventTypeConflict(
            f"{cls.__qualname__} cannot be an event type: expected a frozen dataclass, attrs class, msgspec Struct or "
            "pydantic model"
        )
    if not frozen:
        raise EventTypeConflict(f"{cls.__qualname__} can be changed after it happened: declare it frozen=True")
