"""The projector: brings read models up to date with the log, exactly once.

Page by page: read events up to the horizon, fetch the rows they concern, fold, and write rows and checkpoint in one
transaction. All but the writing happens outside that transaction, so it is short. If the checkpoint is no longer where
the page began, another worker has applied these events. Then nothing is written, and the projector goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from leftfold.arguments import whole_number
from leftfold.checkpoint import EpochChanged
from leftfold.database.protocol import Database
from leftfold.errors import (
    InvalidArgument,
    InvalidState,
    LeftfoldError,
    ProcessorFailed,
    ProcessorOutdated,
    ProcessorPaused,
)
from leftfold.follow.run.run import ProcessorRun
from leftfold.follow.run.worker import LEASE_SECONDS, Worker
from leftfold.log.contract import Log
from leftfold.log.page_size import PAGE_EVENTS
from leftfold.read.apply.live import LiveRows
from leftfold.read.inline.switch import to_background, to_inline
from leftfold.read.projection.kinds import AnyProjection, by_name
from leftfold.read.rebuild.rebuild import Rebuild, Rebuilt, Watch
from leftfold.read.rebuild.succession import Succession

CACHED_ROWS = 20_000
_PARTS = {"sqlite": 1, "postgresql": 2}


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What a run did for one projection: how many events it applied, and the position up to which all are applied."""

    projection: str
    events: int
    position: int


class AsyncProjector:
    """Applies projections to a log's events, for asyncio. `Projector` is its sync face.

    ``database`` keeps rows and checkpoints, by default the log's own. ``page_events`` bounds how many events one
    transaction applies, ``cached_rows`` how many rows of each projection are kept in memory from one page to the next.
    ``lease_seconds`` is for `run`: after so long others take over from a worker that has died.
    """

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
        self._log = log
        self._database = database or log.database
        self._projections = by_name(projections)
        self._page_events = whole_number(page_events, "page_events", least=1)
        self._cached_rows = whole_number(cached_rows, "cached_rows", least=1)
        self._lease_seconds = lease_seconds
        self._succession = Succession(log, self._database)
        self._runs: dict[str, ProcessorRun] = {}
        self._worker: Worker | None = None
        self._stopped = False

    @property
    def projections(self) -> Mapping[str, AnyProjection]:
        """What it maintains, by name."""
        return self._projections

    async def catch_up(self) -> list[CaughtUp]:
        """Apply every event up to the head as of now; what was done for each projection, in order.

        Partitions that a worker has leased are left to it, and waited for. An inline projection is at the head already.

        `ProcessorFailed`: a projection raised, or an event could not be decoded. Everything before that event is
        applied, and so are the other projections; the next run begins at that event. `ProcessorOutdated`: the table in
        the database is not the model's, or the rows are not the code's. `EpochChanged`: the rows may tell of events
        that the log has lost; `rebuild` replaces them. `ProcessorPaused`. The error's ``others`` has further failures.
        """
        done: list[CaughtUp] = []
        failures: list[LeftfoldError] = []
        for name in self._projections:
            run = self._runs.pop(name, None) or self._run_of(name)  # popped: one run has it at a time
            try:
                done.append(CaughtUp(name, *await run.catch_up()))
            except (ProcessorFailed, ProcessorPaused, ProcessorOutdated, EpochChanged) as failure:
                failures.append(failure)
            self._runs[name] = run
        if failures:
            raise _together(failures)
        return done

    async def drain(self, timeout: float = 10.0) -> None:
        """Return when everything is applied, also what was appended meanwhile: for tests, in place of sleeping.

        Errors are those of `catch_up`; TimeoutError if there is more to do after ``timeout`` seconds.
        """
        deadline = monotonic() + timeout
        while True:
            done = await self.catch_up()
            if min((caught_up.position for caught_up in done), default=0) >= await self._log.head():
                return
            if monotonic() > deadline:
                raise TimeoutError(f"after {timeout:g} seconds events are still being appended faster than applied")

    async def run(self) -> None:
        """Apply what comes, for ever, as one of any number of workers, which share the projections among them.

        Ends after `stop`. A projection that fails stands still in front of the event, or does what its ``on_failure``
        says. A projection whose table or code does not fit is not run here. `EventStore.processors` reports both.
        """
        if self._worker is not None:
            raise InvalidState("this projector is running already: make another for another worker")
        worker = Worker(
            self._log,
            self._database,
            [self._rows(projection) for projection in self._projections.values()],
            page_events=self._page_events,
            lease_seconds=self._lease_seconds,
        )
        self._worker = worker
        try:
            if not self._stopped:
                await worker.run()
        finally:
            self._worker, self._stopped = None, False

    def stop(self) -> None:
        """Let `run` end after the page under way. From any thread, task or signal handler."""
        if self._worker is None:
            self._stopped = True
        else:
            self._worker.stop()

    async def rebuild(
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
        """Build a projection's rows anew from history, beside the live ones, and then put them in their place.

        Views answer and workers go on all the while; the swap is one transaction. The former rows are kept, for
        `rollback`, until `drop_former` or the next swap. With ``swap=False`` the new rows wait, and a later call goes
        on with them, as after a rebuild that failed or was killed. ``compare`` reports what has changed.

        The rows are built in ``parts``, up to eight at a time by as many threads or tasks. The same call in other
        processes, and workers of the same code, take what is left. ``progress`` is called with a `RebuildProgress`.

        `ProcessorFailed`; `ProcessorOutdated`: the code is older than the live rows, or has changed and its version has
        not, or other rows are being built. `StoreUnavailable`: a session keeps the tables locked. Nothing is lost.
        """
        rebuild = Rebuild(
            self._log,
            self._database,
            self._named(name),
            page_events=self._page_events,
            cached_rows=self._cached_rows,
            lease_seconds=self._lease_seconds,
            parts=_PARTS[self._database.dialect] if parts is None else whole_number(parts, "parts", least=1),
            watch=progress,
            who=who,
            why=why,
        )
        return await rebuild.run(compare=compare, swap=swap)

    async def rollback(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Let the rows from before the last swap be live again, at once; the live ones become the former ones.

        They go on from where they stand, by workers whose code is of their version. Needs no code of the projection.
        """
        await self._succession.roll_back(name, who, why)

    async def drop_former(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop the rows that were kept for `rollback`. Needs no code of the projection."""
        await self._succession.drop(name, "former", who, why)

    async def abandon(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop the rows that a rebuild has begun and not swapped. Needs no code of the projection."""
        await self._succession.drop(name, "shadow", who, why)

    async def reset(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Drop a projection's rows and checkpoint in one transaction; the next `catch_up` rebuilds it from history."""
        self._named(name)
        self._runs.pop(name, None)
        await self._rows(self._projections[name]).reset(who=who, why=why)

    async def switch(
        self, name: str, *, to: Literal["inline", "background"], why: str = "", who: str | None = None
    ) -> None:
        """Have appends maintain a projection, or projectors again; nothing is lost or doubled.

        To ``"inline"`` it catches up first, and then, while appends wait, to the very head. From then on every append
        maintains it in its own transaction. After either switch appends are refused (`ProcessorOutdated`) unless their
        process has connected with ``inline=[…]`` of exactly the projections that are inline: connect anew, with this
        store, too. `ProcessorFailed`: it does not get that far, and nothing has changed. `InvalidArgument`: it cannot
        be inline. `InvalidState`: events of it are parked. `NotSupported`: its rows are in another database.
        `StoreUnavailable`: appends in flight take longer than ten seconds.
        """
        if to == "inline":
            await to_inline(self._log, self._database, self._named(name), who, why)
        elif to == "background":
            await to_background(self._log, name, who, why)
        else:
            raise InvalidArgument(f"a projection is switched to 'inline' or 'background', not to {to!r}")

    async def accept_changes(self, name: str, *, why: str = "", who: str | None = None) -> None:
        """Accept the live rows for today's code: what has changed in the code makes no difference to them."""
        self._named(name)
        await self._rows(self._projections[name]).accept_changes(who=who, why=why)

    def _named(self, name: str) -> AnyProjection:
        if name not in self._projections:
            known = ", ".join(map(repr, self._projections)) or "none"
            raise InvalidArgument(f"there is no projection {name!r} here; there are {known}")
        return self._projections[name]

    def _rows(self, projection: AnyProjection) -> LiveRows:
        return LiveRows(self._log, self._database, projection, self._cached_rows)

    def _run_of(self, name: str) -> ProcessorRun:
        rows = self._rows(self._projections[name])
        return ProcessorRun(self._log, self._database, rows, page_events=self._page_events)


def _together(failures: Sequence[LeftfoldError]) -> LeftfoldError:
    """The first failure, with the others as notes."""
    first, *others = failures
    for other in others:
        first.add_note(f"also: {other}")
    if isinstance(first, ProcessorFailed):
        first.others = tuple(others)
    return first
