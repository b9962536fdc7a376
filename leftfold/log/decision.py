"""A decision: every event that it may rest on, and the condition that there are no more."""

from __future__ import annotations

from dataclasses import dataclass

from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent
from leftfold.log.condition import LARGEST_POSITION, AppendCondition
from leftfold.log.contract import Log
from leftfold.log.page_size import PageSize
from leftfold.log.select import Range

_FIRST_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Decision:
    """Every event that matched, in log order, and the condition that no other such event has come since."""

    events: tuple[RecordedEvent, ...]
    condition: AppendCondition


async def read_decision(log: Log, query: Query) -> Decision:
    """Every matching event that is committed, those above the horizon too, in one consistent picture.

    The horizon is taken first: nothing at or below it can still appear. Events above it are read in one statement,
    hence in one snapshot, and named in ``seen``. So a slow append elsewhere in the log makes no decision fail. The
    horizon is taken once: by the next look, a late writer may hold it further back, for events that it writes above.
    """
    if not isinstance(query, Query):
        raise InvalidArgument(
            f"a decision is about a query, for example lf.Query.of(tags=['student:7']), not {query!r}"
        )
    events: list[RecordedEvent] = []
    horizon = await log.head()
    async for page in log.read_settled(query, 0, horizon, PageSize()):
        events.extend(page)
    limit = _FIRST_LIMIT
    while len(above := await log.read_log_page(query, Range(horizon, LARGEST_POSITION, limit))) == limit:
        limit *= 4
    return Decision((*events, *above), AppendCondition(query, horizon, [recorded.position for recorded in above]))
