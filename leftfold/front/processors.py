"""The sync face of processors, stepped in the caller's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leftfold.database.protocol import Database
from leftfold.doors.step import step
from leftfold.follow.checkpoints.audit import AuditEntry
from leftfold.follow.checkpoints.parked import ParkedEvent
from leftfold.follow.checkpoints.partition import Failure
from leftfold.follow.operate.acts import ParkedHandler, Unparked
from leftfold.follow.operate.status import ProcessorStatus
from leftfold.follow.processors import AsyncProcessors
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.log.contract import Log


class Processors:
    """The processors of a store, from `EventStore.processors`. See `AsyncProcessors`, whose sync face this is."""

    def __init__(
        self,
        log: Log,
        database: Database,
        handler_of: Callable[[str], ParkedHandler],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._processors = AsyncProcessors(log, database, handler_of, lease_seconds)

    def status(self, name: str | None = None) -> list[ProcessorStatus]:
        """Where every processor in the database stands, or one; see `AsyncProcessors.status`."""
        return step(self._processors.status(name))

    def pause(self, name: str, *, why: str, who: str | None = None) -> None:
        """Apply nothing any more, from when this returns until `resume`."""
        step(self._processors.pause(name, why=why, who=who))

    def resume(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Let a processor run again after `pause`."""
        step(self._processors.resume(name, why=why, who=who))

    def retry(self, name: str, *, why: str = "", who: str | None = None) -> list[Failure]:
        """Let workers try the events again in front of which a processor stands still; what these are."""
        return step(self._processors.retry(name, why=why, who=who))

    def skip(self, name: str, *, position: int, why: str, who: str | None = None) -> Failure:
        """Go on behind an event without ever applying it; see `AsyncProcessors.skip`."""
        return step(self._processors.skip(name, position=position, why=why, who=who))

    def parked(self, name: str) -> list[ParkedEvent]:
        """The events that a processor has parked, in the order of the log."""
        return step(self._processors.parked(name))

    def unpark(self, name: str, *, key: Any = None, why: str = "", who: str | None = None) -> Unparked:
        """Apply what a processor has parked; see `AsyncProcessors.unpark`."""
        return step(self._processors.unpark(name, key=key, why=why, who=who))

    def audit(self, name: str | None = None, *, limit: int = 20) -> list[AuditEntry]:
        """What was done to processors, or to one, by whom and why: at most ``limit`` acts, the latest first."""
        return step(self._processors.audit(name, limit=limit))
