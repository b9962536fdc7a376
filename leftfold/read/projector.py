"""The projector: brings read models up to date with the log, exactly once.

Page by page: read events up to the horizon, fetch the rows they concern, fold, and write rows and checkpoint in one
transaction. All but the writing happens outside that transaction, so it is short. If the checkpoint is no longer where
the page began, somebody else has applied these events: nothing is written, and it goes on from where the other is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from leftfold.database.stepping import step
from leftfold.errors import EpochChanged, InvalidArgument, LeftfoldError, ProjectionFailed, SchemaOutdated
from leftfold.log import Log
from leftfold.log.paging import PAGE_EVENTS
from leftfold.read.applying import Applier
from leftfold.read.projection import Projection

CACHED_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What a run did for one projection: how many events it folded, and the position up to which it is applied now."""

    projection: str
    events: int
    position: int


class AsyncProjector:
    """Applies projections to a log's events, for asyncio. `Projector` is its sync face.

    ``page_events`` bounds how many events one transaction applies, ``cached_rows`` how many rows of each projection
    are kept in memory from one page to the next.
    """

    def __init__(
        self,
        log: Log,
        projections: Iterable[Projection[Any]],
        *,
        page_events: int = PAGE_EVENTS,
        cached_rows: int = CACHED_ROWS,
    ) -> None:
        self._log = log
        self._projections = _by_name(projections)
        self._page_events = _positive(page_events, "page_events")
        self._cached_rows = _positive(cached_rows, "cached_rows")
        self._appliers: dict[str, Applier] = {}

    async def catch_up(self) -> list[CaughtUp]:
        """Apply every event up to the head as of now; what was done for each projection, in order.

        `ProjectionFailed`: a projection raised, or an event could not be decoded. Everything before that event is
        applied, and so are the other projections; the next run begins at that event. `SchemaOutdated`: the table in
        the database is not the model's. `EpochChanged`: the rows may tell of events that the log has lost; `reset`
        rebuilds them. Further failures of the run are in the error's ``others``.
        """
        done: list[CaughtUp] = []
        failures: list[LeftfoldError] = []
        for name, projection in self._projections.items():
            applier = self._appliers.pop(name, None) or self._applier(projection)  # popped: one run has it at a time
            try:
                done.append(CaughtUp(name, *await applier.catch_up()))
            except (ProjectionFailed, SchemaOutdated, EpochChanged) as failure:
                failures.append(failure)
            self._appliers[name] = applier
        if failures:
            raise _together(failures)
        return done

    async def reset(self, name: str) -> None:
        """Drop a projection's rows and checkpoint in one transaction; the next `catch_up` rebuilds it from history."""
        if name not in self._projections:
            known = ", ".join(map(repr, self._projections)) or "none"
            raise InvalidArgument(f"there is no projection {name!r} here; there are {known}")
        self._appliers.pop(name, None)
        await self._applier(self._projections[name]).reset()

    def _applier(self, projection: Projection[Any]) -> Applier:
        return Applier(self._log, projection, self._page_events, self._cached_rows)


class Projector:
    """Applies projections to a log's events. See `AsyncProjector`, whose sync face this is."""

    def __init__(
        self,
        log: Log,
        projections: Iterable[Projection[Any]],
        *,
        page_events: int = PAGE_EVENTS,
        cached_rows: int = CACHED_ROWS,
    ) -> None:
        self._projector = AsyncProjector(log, projections, page_events=page_events, cached_rows=cached_rows)

    def catch_up(self) -> list[CaughtUp]:
        """Apply every event up to the head as of now; see `AsyncProjector.catch_up`."""
        return step(self._projector.catch_up())

    def reset(self, name: str) -> None:
        """Drop a projection's rows and checkpoint in one transaction; see `AsyncProjector.reset`."""
        step(self._projector.reset(name))


def _by_name(projections: Iterable[Projection[Any]]) -> dict[str, Projection[Any]]:
    """The projections, if each is one and none gets in another's way."""
    found: dict[str, Projection[Any]] = {}
    tables: dict[str, str] = {}
    for one in projections:
        if not isinstance(one, Projection):
            raise InvalidArgument(f"{one!r} is no projection: decorate the function with @lf.projection(…)")
        if one.name in found:
            raise InvalidArgument(f"two projections are named {one.name!r}: give one of them another with name=…")
        table = one.definition.name
        if table in tables:
            raise InvalidArgument(f"the projections {tables[table]!r} and {one.name!r} both write the table {table}")
        found[one.name] = one
        tables[table] = one.name
    return found


def _positive(value: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgument(f"{name} is a whole number from 1, not {value!r}")
    return value


def _together(failures: Sequence[LeftfoldError]) -> LeftfoldError:
    """The first failure, with the others said in it."""
    first, *others = failures
    for other in others:
        first.add_note(f"also: {other}")
    if isinstance(first, ProjectionFailed):
        first.others = tuple(others)
    return first
