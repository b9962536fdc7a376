"""What happened: events, their registry and codec, metadata and queries. Pure."""

from leftfold.events.event import Event, event_type
from leftfold.events.identity import uuid7
from leftfold.events.metadata import Metadata, metadata
from leftfold.events.new import EncodedEvent, NewEvent, RawEvent, encode_events
from leftfold.events.query import Criterion, Query
from leftfold.events.recorded import RecordedEvent
from leftfold.events.registry import Registry, default_registry
from leftfold.events.stream import check_stream, stream_name
from leftfold.events.tag import Tag

__all__ = [
    "Criterion",
    "EncodedEvent",
    "Event",
    "Metadata",
    "NewEvent",
    "Query",
    "RawEvent",
    "RecordedEvent",
    "Registry",
    "Tag",
    "check_stream",
    "default_registry",
    "encode_events",
    "event_type",
    "metadata",
    "stream_name",
    "uuid7",
]
