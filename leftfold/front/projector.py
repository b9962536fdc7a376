"""The projector's sync face: the same names, stepped in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leftfold.database.protocol import Database
from leftfold.doors.step import step
from leftfold.follow.checkpoints.audit import AuditEntry
from leftfold.follow.checkpoints.partition import Failure
from leftfold.follow.operate.acts import Unparked
from leftfold.follow.operate.status import ProcessorStatus
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.log.contract import Log
from leftfold.log.subscription.page_size import PAGE_EVENTS
from leftfold.read.projection.kinds import AnyProjection
from leftfold.read.projector import CACHED_ROWS, AsyncProjector, CaughtUp
from leftfold.read.rebuild.rebuild import Rebuilt, Watch


class Projector:
    """Applies projections to a log's events. See `AsyncProjector`, whose sync face this is."""

    def __init__(
        self,
        log: Log,
        projections: Iterable[AnyProjection],
        *,
        database: Database | None = None,
        page_events: int = PAGE_EVENTS,
        cached_rows: int = CACHED_ROWS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._projector = AsyncProjector(
            log,
            projections,
            database=database,
            page_events=page_events,
            cached_rows=cached_rows,
            lease_seconds=lease_seconds,
        )

    @property
    def database(self) -> Database:
        """Where rows and checkpoints are."""
        return self._projector.database

    def catch_up(self) -> list[CaughtUp]:
        """Apply every event up to the head as of now; see `AsyncProjector.catch_up`."""
        return step(self._projector.catch_up())

    def settle(self, timeout: float = 10.0) -> None:
        """Return when everything is applied, also what was appended meanwhile; see `AsyncProjector.settle`."""
        step(self._projector.settle(timeout))

    def run(self) -> None:
        """Apply what comes, for ever, until `stop`; see `AsyncProjector.run`."""
        step(self._projector.run())

    def stop(self) -> None:
        """Let `run` end after the page under way. From any thread or signal handler."""
        self._projector.stop()

    def status(self) -> list[ProcessorStatus]:
        """Where every projection in the database stands; see `AsyncProjector.status`."""
        return step(self._projector.status())

    def pause(self, name: str, *, why: str, who: str | None = None) -> None:
        """Let nothing be applied any more, from when this returns; see `AsyncProjector.pause`."""
        step(self._projector.pause(name, why=why, who=who))

    def resume(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Let a projection run again; see `AsyncProjector.resume`."""
        step(self._projector.resume(name, why=why, who=who))

    def retry(self, name: str, *, why: str = "", who: str | None = None) -> list[Failure]:
        """Let workers try again what a projection stands still at; see `AsyncProjector.retry`."""
        return step(self._projector.retry(name, why=why, who=who))

    def skip(self, name: str, *, position: int, why: str, who: str | None = None) -> Failure:
        """Go on behind an event without ever applying it; see `AsyncProjector.skip`."""
        return step(self._projector.skip(name, position=position, why=why, who=who))

    def unpark(self, name: str, *, key: Any = None, why: str = "", who: str | None = None) -> Unparked:
        """Apply what a projection has set aside; see `AsyncProjector.unpark`."""
        return step(self._projector.unpark(name, key=key, why=why, who=who))

    def acts(self, limit: int = 20) -> list[AuditEntry]:
        """What was done to projections, by whom and why; see `AsyncProjector.acts`."""
        return step(self._projector.acts(limit))

    def rebuild(
        self,
        name: str,
        *,
        compare: bool = False,
        swap: bool = True,
        parts: int | None = None,
        progress: Watch | None = None,
        why: str = "",
        who: str | None = None,
    ) -> Rebuilt:
        """Build a projection's rows anew beside the live ones, and swap them; see `AsyncProjector.rebuild`."""
        return step(
            self._projector.rebuild(name, compare=compare, swap=swap, parts=parts, progress=progress, why=why, who=who)
        )

    def make_inline(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Have every append maintain a projection from now on; see `AsyncProjector.make_inline`."""
        step(self._projector.make_inline(name, why=why, who=who))

    def make_async(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Have projectors maintain it again; see `AsyncProjector.make_async`."""
        step(self._projector.make_async(name, why=why, who=who))

    def rollback(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Let the rows from before the last swap be live again; see `AsyncProjector.rollback`."""
        step(self._projector.rollback(name, why=why, who=who))

    def drop_former(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop the rows that were kept for `rollback`."""
        step(self._projector.drop_former(name, why=why, who=who))

    def abandon(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop the rows that a rebuild has begun and not swapped."""
        step(self._projector.abandon(name, why=why, who=who))

    def reset(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop a projection's rows and checkpoint in one transaction; see `AsyncProjector.reset`."""
        step(self._projector.reset(name, why=why, who=who))

    def accept(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Take a projection's rows for those of today's code; see `AsyncProjector.accept`."""
        step(self._projector.accept(name, why=why, who=who))
