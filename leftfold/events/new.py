"""New events: what a caller may say about an event, and the form in which a log takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from leftfold.arguments import whole_number
from leftfold.errors import InvalidArgument, UnknownEventType
from leftfold.events import moment
from leftfold.events.codec import check_raw_json, encode_mapping
from leftfold.events.identity import uuid7
from leftfold.events.metadata import current_metadata
from leftfold.events.registry import Registry
from leftfold.events.stream import check_tag


class RawEvent(msgspec.Struct, frozen=True):
    """An event as JSON text, for tools and imports that have no class for it. Stored byte for byte."""

    type: str
    data: bytes | str
    schema_version: int = 1


class NewEvent(msgspec.Struct, frozen=True):
    """An event and its circumstances; accepted wherever an event is.

    ``id`` identifies the fact: an append with the same ids again is recognised as a retry. ``occurred_at`` (aware) is
    the moment in the world, by default the moment of the append. ``tags`` are customarily ``name:value``, and are
    added to those that the event's fields declare (`Tag`). ``metadata`` is added to, and overrides, that of
    ``with lf.with_metadata(…)``.
    """

    event: Any
    id: UUID = msgspec.field(default_factory=uuid7)
    occurred_at: datetime | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] | None = None


class EncodedEvent(NamedTuple):
    """An event as a log stores it; everything has been checked."""

    id: UUID
    type: str
    schema_version: int
    data: bytes
    metadata: bytes
    tags: tuple[str, ...]
    occurred_at: datetime | None


def encode_events(
    events: Iterable[Any], registry: Registry, metadata: Mapping[str, Any] | None = None
) -> tuple[EncodedEvent, ...]:
    """Check and encode the events of an append. If an event is refused, nothing is sent.

    ``metadata`` is added to that of the surrounding ``with lf.with_metadata(…)``, and an event's own to both.
    """
    if type(events) is not list and (isinstance(events, (str, bytes, Mapping)) or not isinstance(events, Iterable)):
        raise InvalidArgument(f"an append takes a list of events, not {events!r}")
    around = current_metadata().merged(metadata)
    common = encode_mapping(around, "metadata")
    encoded = tuple([_encode(event, registry, around, common) for event in events])
    if len(encoded) > 1 and len({event.id for event in encoded}) < len(encoded):
        raise InvalidArgument("an append carries two events with the same id: every fact needs its own")
    return encoded


def _encode(given: Any, registry: Registry, around: Mapping[str, Any], common: bytes) -> EncodedEvent:
    if not isinstance(given, NewEvent):
        name, schema_version, data, tags = _encode_payload(given, registry)
        return EncodedEvent(uuid7(), name, schema_version, data, common, tags, None)
    name, schema_version, data, tags = _encode_payload(given.event, registry)
    if not isinstance(given.id, UUID):
        raise InvalidArgument(f"an event's id is a uuid.UUID, not {given.id!r}")
    if isinstance(given.tags, str):
        raise InvalidArgument(f"tags is a list of strings, not the string {given.tags!r}")
    return EncodedEvent(
        given.id,
        name,
        schema_version,
        data,
        encode_mapping({**around, **given.metadata}, "metadata") if given.metadata else common,
        tuple(sorted({*tags, *map(check_tag, given.tags)})) if given.tags else tags,
        None if given.occurred_at is None else moment.as_utc(given.occurred_at, "occurred_at"),
    )


def _encode_payload(event: Any, registry: Registry) -> tuple[str, int, bytes, tuple[str, ...]]:
    if isinstance(event, type):
        raise UnknownEventType(f"the class {event.__qualname__} was given where one of its instances is expected")
    if not isinstance(event, RawEvent):
        return registry.encode(event)
    if not isinstance(event.type, str) or not event.type or "\0" in event.type or len(event.type.encode()) > 255:
        raise InvalidArgument(f"{event.type!r} is no event type name: expected 1 to 255 bytes, without NUL")
    schema_version = whole_number(event.schema_version, "schema_version", least=1, most=2**31 - 1)
    return str.__str__(event.type), schema_version, check_raw_json(event.data), ()
