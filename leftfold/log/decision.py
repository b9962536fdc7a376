"""A decision: every event that it may rest on, and the condition that there are no more."""

from __future__ import annotations

from dataclasses import dataclass

from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent
from leftfold.log.condition import LARGEST_POSITION, AppendCondition
from leftfold.log.contract import Log
from leftfold.log.select import Range
from leftfold.log.subscription.page_size import PageSize

_FIRST_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision may rest on: every event that matched, in log order, and the condition that there are no more."""

    events: tuple[RecordedEvent, ...]
    condition: AppendCondition


async def read_decision(log: Log, query: Query) -> Decision:
    """Every matching event that is committed, those above the horizon too, in one consistent picture.

    The horizon is taken first: nothing at or below it can still appear. What stands above it is read in one statement,
    hence in one snapshot, and named in ``seen``, so that a slow append somewhere in the log makes no decision fail. It
    is taken once: a writer that is late may hold it further back the next time, for what it will write above it.
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
    return Decision((*events, *above), AppendCondition(query, horizon, [one.position for one in above]))
