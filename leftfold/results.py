"""What the methods of a store return, for annotations. An application reads these and makes none."""

from leftfold.follow.checkpoints.audit import AuditEntry
from leftfold.follow.checkpoints.parked import ParkedEvent
from leftfold.follow.checkpoints.partition import Failure
from leftfold.follow.operate.acts import Unparked
from leftfold.follow.operate.status import ProcessorStatus
from leftfold.log.decision import Decision
from leftfold.read.projector import CaughtUp
from leftfold.read.rebuild.progress import RebuildProgress
from leftfold.read.rebuild.rebuild import Rebuilt
from leftfold.read.rebuild.side_by_side import RebuildComparison
from leftfold.read.tables.comparison import Comparison, Difference
from leftfold.read.view.replay import Replayed

__all__ = [
    "AuditEntry",
    "CaughtUp",
    "Comparison",
    "Decision",
    "Difference",
    "Failure",
    "ParkedEvent",
    "ProcessorStatus",
    "RebuildComparison",
    "RebuildProgress",
    "Rebuilt",
    "Replayed",
    "Unparked",
]
