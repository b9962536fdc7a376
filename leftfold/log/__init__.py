"""Where facts are kept: the Log contract and its two back ends."""

from leftfold.log.condition import AppendCondition, Decision
from leftfold.log.contract import Log
from leftfold.log.writes import BUSY, Append, AppendResult, Busy, Outcome, Write

__all__ = ["BUSY", "Append", "AppendCondition", "AppendResult", "Busy", "Decision", "Log", "Outcome", "Write"]
