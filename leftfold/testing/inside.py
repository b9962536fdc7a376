"""What a store keeps to itself, for tests that look inside."""

from __future__ import annotations

from leftfold.front.async_log_face import AsyncLogFace
from leftfold.front.log_face import LogFace
from leftfold.log.contract import Log


def log_of(store: LogFace | AsyncLogFace) -> Log:
    """The log of a store or of a transaction: coroutines only, and no promise that it stays as it is."""
    return store._log
