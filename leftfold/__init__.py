"""Event sourcing and CQRS for Python: current state is a left fold over what happened.

What an application names in its code is here. What it only receives is in `leftfold.results` and `leftfold.types`; the
rare errors are in `leftfold.errors`.
"""

import sys
from importlib.metadata import version as _version

from leftfold import errors as errors
from leftfold import results as results
from leftfold import types as types
from leftfold.checkpoint import Checkpoint, EpochChanged
from leftfold.errors import (
    AggregateNotFound,
    ConcurrencyError,
    ConditionFailed,
    DuplicateEvent,
    InvalidArgument,
    InvalidEvent,
    InvalidState,
    LeftfoldError,
    NotSupported,
    ProcessorFailed,
    SchemaOutdated,
    StoreUnavailable,
    TransactionConflict,
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
    with_metadata,
)
from leftfold.expected import ANY_VERSION, NO_STREAM, STREAM_EXISTS
from leftfold.fold import Fold
from leftfold.follow.options import Retry
from leftfold.front.app import App
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.async_transaction import AsyncTransaction
from leftfold.front.connect import connect, connect_async
from leftfold.front.repository import Repository
from leftfold.front.store import EventStore
from leftfold.front.transaction import Transaction
from leftfold.front.view import View
from leftfold.log.append import AppendResult, Write
from leftfold.log.condition import AppendCondition
from leftfold.naming import publish as _publish
from leftfold.read.model.amounts import Digits
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import DELETE, Projection
from leftfold.read.projection.sql import SqlProjection
from leftfold.read.view.view import AsyncView
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.repository import AsyncRepository

__version__ = _version("leftfold")

__all__ = [  # noqa: RUF022 - in groups
    # opening a store
    "App",
    "AsyncEventStore",
    "EventStore",
    "connect",
    "connect_async",
    # events
    "Event",
    "Metadata",
    "NewEvent",
    "Query",
    "RawEvent",
    "RecordedEvent",
    "Registry",
    "Tag",
    "event_type",
    "with_metadata",
    # appending and following
    "ANY_VERSION",
    "NO_STREAM",
    "STREAM_EXISTS",
    "AppendCondition",
    "AppendResult",
    "AsyncTransaction",
    "Checkpoint",
    "Transaction",
    "Write",
    # the command side
    "Aggregate",
    "AsyncRepository",
    "Decider",
    "Fold",
    "Repository",
    # the query side
    "DELETE",
    "AsyncView",
    "Digits",
    "Key",
    "Projection",
    "ReadModel",
    "Retry",
    "SqlProjection",
    "View",
    "projection",
    # errors; the rare ones are in leftfold.errors
    "AggregateNotFound",
    "ConcurrencyError",
    "ConditionFailed",
    "DuplicateEvent",
    "EpochChanged",
    "InvalidArgument",
    "InvalidEvent",
    "InvalidState",
    "LeftfoldError",
    "NotSupported",
    "ProcessorFailed",
    "SchemaOutdated",
    "StoreUnavailable",
    "TransactionConflict",
]

for _module in (results, types, sys.modules[__name__]):
    _publish(_module)
