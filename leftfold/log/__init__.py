"""Where facts are kept: the Log contract and its two back ends."""

from leftfold.log.append import BUSY, Append, AppendResult, Busy, Outcome, Write
from leftfold.log.condition import AppendCondition
from leftfold.log.contract import Log
from leftfold.log.decision import Decision

__all__ = ["BUSY", "Append", "AppendCondition", "AppendResult", "Busy", "Decision", "Log", "Outcome", "Write"]
