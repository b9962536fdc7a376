"""Event sourcing and CQRS for Python: current state is a left fold over what happened."""

from leftfold.checkpoint import Checkpoint, EpochChanged
from leftfold.errors import (
    AggregateNotFound,
    ConcurrencyError,
    ConditionFailed,
    DecodeError,
    DuplicateEvent,
    EventTooLarge,
    EventTypeConflict,
    HistoricalState,
    InvalidArgument,
    InvalidEvent,
    InvalidState,
    LeftfoldError,
    MissingExtra,
    NotSupported,
    ProcessorFailed,
    ProcessorOutdated,
    ProcessorPaused,
    ProjectionBehind,
    SchemaOutdated,
    StoreUnavailable,
    TransactionConflict,
    UnknownEventType,
)
from leftfold.events import (
    Event,
    Metadata,
    NewEvent,
    Query,
    RawEvent,
    RecordedEvent,
    Registry,
    Tag,
    event_type,
    metadata,
)
from leftfold.expected import ANY, EXISTS, NO_STREAM
from leftfold.fold import Fold
from leftfold.follow.operate.status import ProcessorStatus
from leftfold.follow.options import Retry
from leftfold.front.app import App
from leftfold.front.async_store import AsyncEventStore, AsyncSubscription
from leftfold.front.async_transaction import AsyncTransaction
from leftfold.front.connect import connect, connect_async
from leftfold.front.projector import Projector
from leftfold.front.repository import DeciderRepository, Repository
from leftfold.front.store import EventStore, Subscription
from leftfold.front.transaction import Transaction
from leftfold.front.view import PastView, View
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision
from leftfold.read.apply.sql import ProjectionTransaction
from leftfold.read.model.amounts import Digits
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import DELETE, Delete, Projection
from leftfold.read.projection.sql import SqlProjection
from leftfold.read.projector import AsyncProjector, CaughtUp
from leftfold.read.rebuild.progress import RebuildProgress
from leftfold.read.rebuild.rebuild import Rebuilt
from leftfold.read.rebuild.side_by_side import RebuildComparison
from leftfold.read.tables.comparison import Comparison, Difference
from leftfold.read.view.replay import Replayed
from leftfold.read.view.view import AsyncPastView, AsyncView
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository

__all__ = [
    "ANY",
    "DELETE",
    "EXISTS",
    "NO_STREAM",
    "Aggregate",
    "AggregateNotFound",
    "App",
    "AppendCondition",
    "AppendResult",
    "AsyncDeciderRepository",
    "AsyncEventStore",
    "AsyncPastView",
    "AsyncProjector",
    "AsyncRepository",
    "AsyncSubscription",
    "AsyncTransaction",
    "AsyncView",
    "CaughtUp",
    "Checkpoint",
    "Comparison",
    "ConcurrencyError",
    "ConditionFailed",
    "Decider",
    "DeciderRepository",
    "Decision",
    "DecodeError",
    "Delete",
    "Difference",
    "Digits",
    "DuplicateEvent",
    "EpochChanged",
    "Event",
    "EventStore",
    "EventTooLarge",
    "EventTypeConflict",
    "Fold",
    "HistoricalState",
    "InvalidArgument",
    "InvalidEvent",
    "InvalidState",
    "Key",
    "LeftfoldError",
    "Log",
    "Metadata",
    "MissingExtra",
    "NewEvent",
    "NotSupported",
    "PastView",
    "ProcessorFailed",
    "ProcessorOutdated",
    "ProcessorPaused",
    "ProcessorStatus",
    "Projection",
    "ProjectionBehind",
    "ProjectionTransaction",
    "Projector",
    "Query",
    "RawEvent",
    "ReadModel",
    "RebuildComparison",
    "RebuildProgress",
    "Rebuilt",
    "RecordedEvent",
    "Registry",
    "Replayed",
    "Repository",
    "Retry",
    "SchemaOutdated",
    "SqlProjection",
    "StoreUnavailable",
    "Subscription",
    "Tag",
    "Transaction",
    "TransactionConflict",
    "UnknownEventType",
    "View",
    "Write",
    "connect",
    "connect_async",
    "event_type",
    "metadata",
    "projection",
]
