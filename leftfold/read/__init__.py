"""The query side: read models, the projections that maintain them, and the views that answer questions."""

from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.projection.sql import SqlProjection
from leftfold.read.projector import AsyncProjector
from leftfold.read.view.view import AsyncPastView, AsyncView

__all__ = [
    "AnyProjection",
    "AsyncPastView",
    "AsyncProjector",
    "AsyncView",
    "Key",
    "Projection",
    "ReadModel",
    "SqlProjection",
]
