"""Event sourcing and CQRS for Python: current state is a left fold over what happened."""

from leftfold.errors import (
    AggregateNotFound,
    ConcurrencyError,
    DecodeError,
    DuplicateEvent,
    EventTooLarge,
    EventTypeConflict,
    HistoricalState,
    InvalidArgument,
    InvalidEvent,
    LeftfoldError,
    MissingExtra,
    NotSupported,
    ProjectionFailed,
    SchemaOutdated,
    StoreUnavailable,
    UnknownEventType,
)
from leftfold.events import Event, Metadata, NewEvent, Query, RawEvent, RecordedEvent, Registry, event_type, metadata
from leftfold.expected import ANY, EXISTS, NO_STREAM
from leftfold.fold import Fold
from leftfold.log import AppendResult, Log, Write

__all__ = [
    "ANY",
    "EXISTS",
    "NO_STREAM",
    "AggregateNotFound",
    "AppendResult",
    "ConcurrencyError",
    "DecodeError",
    "DuplicateEvent",
    "Event",
    "EventTooLarge",
    "EventTypeConflict",
    "Fold",
    "HistoricalState",
    "InvalidArgument",
    "InvalidEvent",
    "LeftfoldError",
    "Log",
    "Metadata",
    "MissingExtra",
    "NewEvent",
    "NotSupported",
    "ProjectionFailed",
    "Query",
    "RawEvent",
    "RecordedEvent",
    "Registry",
    "SchemaOutdated",
    "StoreUnavailable",
    "UnknownEventType",
    "Write",
    "event_type",
    "metadata",
]
