"""Where facts are kept: the Log contract and its two back ends."""

from leftfold.log.contract import Append, AppendResult, Log, Outcome, Write

__all__ = ["Append", "AppendResult", "Log", "Outcome", "Write"]
