"""What happened: events, their registry and codec, metadata and queries. Pure."""

from leftfold.events.event import Event, event_type
from leftfold.events.metadata import Metadata, with_metadata
from leftfold.events.new import NewEvent, RawEvent
from leftfold.events.query import Query
from leftfold.events.recorded import RecordedEvent
from leftfold.events.registry import Registry, default_registry
from leftfold.events.tag import Tag

__all__ = [
    "Event",
    "Metadata",
    "NewEvent",
    "Query",
    "RawEvent",
    "RecordedEvent",
    "Registry",
    "Tag",
    "default_registry",
    "event_type",
    "with_metadata",
]
