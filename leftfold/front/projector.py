"""The projector's sync face: the same names, stepped in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from leftfold.database.protocol import Database
from leftfold.doors.step import step
from leftfold.follow.run.worker import LEASE_SECONDS
from leftfold.log.contract import Log
from leftfold.log.page_size import PAGE_EVENTS
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
    def projections(self) -> Mapping[str, AnyProjection]:
        """What it maintains, by name."""
        return self._projector.projections

    def catch_up(self) -> list[CaughtUp]:
        """Apply every event up to the head as of now; see `AsyncProjector.catch_up`."""
        return step(self._projector.catch_up())

    def drain(self, timeout: float = 10.0) -> None:
        """Return when everything is applied, also what was appended meanwhile; see `AsyncProjector.drain`."""
        step(self._projector.drain(timeout))

    def run(self) -> None:
        """Apply what comes, for ever, until `stop`; see `AsyncProjector.run`."""
        step(self._projector.run())

    def stop(self) -> None:
        """Let `run` end after the page under way. From any thread or signal handler."""
        self._projector.stop()

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

    def switch(self, name: str, *, to: Literal["inline", "background"], why: str = "", who: str | None = None) -> None:
        """Have appends maintain a projection, or projectors again; see `AsyncProjector.switch`."""
        step(self._projector.switch(name, to=to, why=why, who=who))

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

    def accept_changes(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Take a projection's rows for those of today's code; see `AsyncProjector.accept_changes`."""
        step(self._projector.accept_changes(name, why=why, who=who))
