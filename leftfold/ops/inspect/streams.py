"""Inspection: what is in a store, as data. The command line prints it; anything else may show it in its own way.

Coroutines over a `Log`, like the rest of the engine: a sync caller steps them. Events are never decoded here, so that
a store can be looked at without the code that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leftfold.database.statements import statement
from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent, moment
from leftfold.events.stream import check_category
from leftfold.log.contract import Log

_LAST = "\U0010ffff"
_PARAMETER = re.compile(r":(after|below|limit)")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and its last event. Versions have no gaps, so ``version`` is the number of its events."""

    name: str
    version: int
    last_type: str
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The last events of a stream up to some point, oldest first; ``earlier`` tells whether there are more before."""

    events: Sequence[RecordedEvent]
    version: int
    earlier: bool


async def streams(log: Log, *, after: str = "", category: str | None = None, limit: int = 50) -> list[Stream]:
    """Up to ``limit`` streams in the order of their names, from the first one behind ``after``."""
    low = after if category is None else max(after, f"{check_category(category)}-")
    high = _LAST if category is None else f"{category}."  # "." follows "-" in ASCII
    values: dict[str, Any] = {"after": low, "below": high, "limit": limit}
    sql = statement(f"leftfold.ops.inspect.{log.database.dialect}", "streams", log.database.schema or "")
    mark = "?" if log.database.dialect == "sqlite" else "%s"
    parameters = [values[name] for name in _PARAMETER.findall(sql)]
    async with log.database.connection() as connection:
        rows = await connection.execute(_PARAMETER.sub(mark, sql), parameters)
    return [
        Stream(name, version, last_type, _moment(occurred), _moment(recorded))
        for name, version, last_type, occurred, recorded in rows
    ]


async def history(
    log: Log, stream: str, *, version: int | None = None, at: datetime | None = None, limit: int = 100
) -> History:
    """The last ``limit`` events of a stream up to a version, and of those that had occurred by ``at``.

    `InvalidArgument` if there is no such stream, or not so long a one.
    """
    newest = await _collected(log.read_stream(stream, limit=1, backwards=True), 1)
    if not newest:
        raise InvalidArgument(f"there is no stream {stream!r}: `leftfold streams` lists those that there are")
    [last] = newest
    if version is not None and not 1 <= version <= last.version:
        raise InvalidArgument(f"the stream {stream!r} has versions 1 to {last.version}, and none {version}")
    pages = log.read_stream(stream, until=version, backwards=True)
    found = await _collected(pages, limit + 1, at)
    return History(found[:limit][::-1], last.version, len(found) > limit)


async def latest(log: Log, query: Query = Query.ALL, *, until: int, limit: int = 10) -> list[RecordedEvent]:
    """The last ``limit`` matching events of the log up to a position, oldest first."""
    return (await _collected(log.read_log(query, until=until, limit=limit, backwards=True), limit))[::-1]


async def _collected(pages: Any, limit: int, at: datetime | None = None) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    async for page in pages:
        found += page if at is None else [recorded for recorded in page if recorded.occurred_at <= at]
        if len(found) >= limit:
            break
    return found[:limit]


def _moment(stored: datetime | str) -> datetime:
    return stored.astimezone(UTC) if isinstance(stored, datetime) else moment.from_stored(stored)
