"""The faces that a store hands out, for annotations: made by its methods, through either door."""

from leftfold.follow.processors import AsyncProcessors
from leftfold.front.async_store import AsyncSubscription
from leftfold.front.processors import Processors
from leftfold.front.projector import Projector
from leftfold.front.repository import DeciderRepository
from leftfold.front.store import Subscription
from leftfold.front.view import PastView
from leftfold.read.apply.sql import ProjectionTransaction
from leftfold.read.projection.keyed import Delete
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.view import AsyncPastView
from leftfold.write.decider_repository import AsyncDeciderRepository

__all__ = [
    "AsyncDeciderRepository",
    "AsyncPastView",
    "AsyncProcessors",
    "AsyncProjector",
    "AsyncSubscription",
    "DeciderRepository",
    "Delete",
    "PastView",
    "Processors",
    "ProjectionTransaction",
    "Projector",
    "Subscription",
]
