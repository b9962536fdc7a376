"""The query side: read models, the projections that maintain them, and the views that answer questions."""

from leftfold.read.amounts import Digits
from leftfold.read.async_projector import AsyncProjector, CaughtUp
from leftfold.read.comparing import Comparison, Difference
from leftfold.read.failing import Retry
from leftfold.read.history import History
from leftfold.read.maintaining import AnyProjection
from leftfold.read.model import Key, ReadModel
from leftfold.read.pace import RebuildProgress
from leftfold.read.past_view import AsyncPastView, PastView
from leftfold.read.projection import DELETE, Delete, Projection, projection
from leftfold.read.projector import Projector
from leftfold.read.rebuilding import Rebuilt
from leftfold.read.replaying import Replayed
from leftfold.read.side_by_side import RebuildComparison
from leftfold.read.sql_maintaining import ProjectionTransaction
from leftfold.read.sql_projection import SqlProjection
from leftfold.read.status import ProjectionStatus
from leftfold.read.view import AsyncView, View
from leftfold.read.worker import LEASE_SECONDS

__all__ = [
    "DELETE",
    "LEASE_SECONDS",
    "AnyProjection",
    "AsyncPastView",
    "AsyncProjector",
    "AsyncView",
    "CaughtUp",
    "Comparison",
    "Delete",
    "Difference",
    "Digits",
    "History",
    "Key",
    "PastView",
    "Projection",
    "ProjectionStatus",
    "ProjectionTransaction",
    "Projector",
    "ReadModel",
    "RebuildComparison",
    "RebuildProgress",
    "Rebuilt",
    "Replayed",
    "Retry",
    "SqlProjection",
    "View",
    "projection",
]
