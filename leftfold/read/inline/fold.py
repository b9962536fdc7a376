"""One inline projection: which events of an append concern it, which rows they touch, and the locks of those rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec

from leftfold.database.protocol import Database
from leftfold.events import RecordedEvent, Registry
from leftfold.log.append import Append, RowLocks
from leftfold.read.projection.fold import Page, assign_keys
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.tables import table_in


class InlineFold:
    """One inline projection: which events of an append concern it, and which rows."""

    def __init__(self, database: Database, registry: Registry, projection: Projection[Any]) -> None:
        self.name = projection.name
        self.table = table_in(database, projection.definition, "live")
        self.is_keyed = projection.key is not None
        self._projection = projection
        [criterion] = projection.query(registry).criteria
        self._types = criterion.types
        self._start = "" if criterion.category is None else f"{criterion.category}-"

    def page(self, events: Sequence[RecordedEvent]) -> Page:
        """The events that concern it, with the keys of their rows."""
        start, types = self._start, self._types
        concerned = [event for event in events if event.stream.startswith(start) and (not types or event.type in types)]
        if self.is_keyed:
            return assign_keys(self._projection, concerned, None)
        return Page(concerned, [(event.stream[len(start) :],) for event in concerned], None)

    def keys_of(self, appends: Sequence[Append], at: int) -> list[Any]:
        """The rows that appends concern, as predicted; ``at`` is the number of this fold among all."""
        if self.is_keyed:
            return list(dict.fromkeys(key for append in appends for keys in touched(append).keys[at] for key in keys))
        start, types = self._start, self._types
        streams = (
            append.stream
            for append in appends
            if append.stream.startswith(start) and (not types or any(event.type in types for event in append.events))
        )
        return [stream[len(start) :] for stream in dict.fromkeys(streams)]

    def lock(self, key: Any) -> int:
        """A hash of a row's key, the same in every process, however the key is written."""
        values = self._projection.definition.canonical_key(key)
        return crc32(msgspec.json.encode([self.name, *values])) - 2**31


def touched(append: Append) -> RowLocks:
    """The rows that an append was predicted to touch."""
    assert append.row_locks is not None, "an append is touched before it is placed"
    return append.row_locks
