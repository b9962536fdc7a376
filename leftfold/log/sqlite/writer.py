"""The writer of an SQLite transaction: it judges appends and inserts their events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from leftfold import expected as expectation
from leftfold.errors import ConcurrencyError, ConditionFailed, DuplicateEvent
from leftfold.events import moment
from leftfold.events.new import EncodedEvent
from leftfold.log.append import Append, AppendResult
from leftfold.log.condition import LARGEST_POSITION, AppendCondition
from leftfold.log.inline.protocol import StoredAppend
from leftfold.log.select import Range, select_events
from leftfold.log.sqlite.statements import DIALECT, statement

Tail = tuple[int, int, str]
_to_json = msgspec.json.Encoder().encode
_read_tails = msgspec.json.Decoder(list[tuple[str, int, int, str]]).decode
_ID_CHUNK = 500
_POSITIONS = replace(DIALECT, columns="e.position")


@dataclass(frozen=True, slots=True)
class _Stored:
    stream: str
    version: int
    position: int
    type: str
    data: bytes
    recorded_at: str


class Writer:
    """Judges and inserts inside one transaction, with one reading of the clock.

    Accepted events wait in memory until a statement has to see them, and are inserted together.
    """

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.stored: list[StoredAppend] = []
        """The appends accepted so far."""
        self._now = moment.to_text(datetime.now(UTC))
        self._ticked = False
        self._position = 0
        self.digest = ""
        """Of the inline projections that the database records."""
        self.tails: dict[str, Tail] = {}
        """Version, position and recorded_at of the last event of each stream that has been looked at."""
        self._events: list[tuple[object, ...]] = []
        self._tags: list[tuple[str, int]] = []

    def look_at(self, streams: Iterable[str]) -> None:
        """Read where the log ends, where these streams do, and what is inline."""
        asked = (_to_json(list(streams)).decode(),)
        [(self._position, self.digest, tails)] = self.raw.execute(statement("tails"), asked)
        for stream, version, position, recorded_at in _read_tails(tails):
            self.tails[stream] = (version, position, recorded_at)

    def tick(self) -> None:
        """Another call begins, at another moment: events with the same ``recorded_at`` are of one call."""
        if self._ticked:
            self._now = moment.next_text(self._now)
        self._ticked = True

    def repeated(self, append: Append) -> AppendResult | None:
        """The first result again, if these very events are stored; None if none of them is; `DuplicateEvent`."""
        self.flush()
        ids = [event.id for event in append.events]
        stored = self._stored(ids)
        if not stored:
            return None
        found = [stored.get(event.id.bytes) for event in append.events]
        first = found[0].version if found[0] else 0
        if all(
            former is not None and _same(former, event, append.stream) and former.version == first + offset
            for offset, (former, event) in enumerate(zip(found, append.events, strict=True))
        ):
            last = stored[ids[-1].bytes]
            return AppendResult(last.version, last.position, duplicate=True)
        raise DuplicateEvent(append.stream, [id for id in ids if id.bytes in stored])

    def moments_of(self, ids: Sequence[UUID]) -> int:
        """At how many moments these events were recorded; those of one call share a moment."""
        return len({stored.recorded_at for stored in self._stored(ids).values()})

    def check(self, append: Append) -> Tail:
        """The stream's tail, if the append may follow it; `ConcurrencyError` if not."""
        tail = self.tails[append.stream]
        expected, actual = append.expected, tail[0]
        if expected in (expectation.ANY_VERSION, actual) or (expected == expectation.STREAM_EXISTS and actual > 0):
            self._now = max(self._now, tail[2])  # never decreasing within a stream, whatever the clock does
            return tail
        raise ConcurrencyError(append.stream, expected, actual)

    def check_condition(self, condition: AppendCondition) -> None:
        """`ConditionFailed` if an event matches the condition's query."""
        self.flush()
        seen = set(condition.seen)
        part = Range(condition.after, LARGEST_POSITION, len(seen) + 1)
        for (position,) in self.raw.execute(*select_events(condition.unless, part, _POSITIONS)):
            if position not in seen:
                raise ConditionFailed(condition, position)

    def append(self, append: Append, number: int) -> AppendResult:
        """Accept the events, with the next versions and positions, if version and condition allow it."""
        version, position, _ = self.check(append)
        if append.condition is not None:
            self.check_condition(append.condition)
        if not append.events:
            return AppendResult(version, position)
        first, now = self._position + 1, self._now
        for event in append.events:
            version += 1
            self._position += 1
            self._events.append(_row(self._position, append.stream, version, event, now))
            if event.tags:
                self._tags += [(tag, self._position) for tag in event.tags]
        self.tails[append.stream] = (version, self._position, now)
        self.stored.append(StoredAppend(number, append, version, range(first, self._position + 1), 0, now))
        return AppendResult(version, self._position)

    def flush(self) -> None:
        """Insert the accepted events."""
        if self._events:
            self.raw.executemany(statement("insert_event"), self._events)
            self._events = []
        if self._tags:
            self.raw.executemany(statement("insert_tag"), self._tags)
            self._tags = []

    def _stored(self, ids: Sequence[UUID]) -> dict[bytes, _Stored]:
        found: dict[bytes, _Stored] = {}
        for start in range(0, len(ids), _ID_CHUNK):
            chunk = [id.bytes for id in ids[start : start + _ID_CHUNK]]
            marks = ", ".join("?" * len(chunk))
            for row in self.raw.execute(statement("events_by_id").replace(":ids", marks), chunk):
                found[row[0]] = _Stored(*row[1:])
        return found


def _same(stored: _Stored, event: EncodedEvent, stream: str) -> bool:
    return stored.stream == stream and stored.type == event.type and stored.data == event.data


def _row(position: int, stream: str, version: int, event: EncodedEvent, now: str) -> tuple[object, ...]:
    return (
        position,
        stream,
        version,
        event.id.bytes,
        event.type,
        event.schema_version,
        event.data.decode(),
        event.metadata.decode(),
        _to_json(event.tags).decode() if event.tags else "[]",
        now if event.occurred_at is None else moment.to_text(event.occurred_at),
        now,
    )
