"""Events as the log returns them: the stored facts, decoded at first access."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from leftfold.events import moment
from leftfold.events.metadata import Metadata
from leftfold.events.registry import Registry

_UNDECODED: Any = object()


class RecordedEvent(msgspec.Struct, eq=False, gc=False):
    """A stored event, its place and its circumstances. Read only.

    ``event`` decodes on first access, so a tool can pass over types that it does not know. ``data`` is the stored JSON,
    byte for byte.
    """

    # A Struct outside the garbage collector's lists, because histories are long and made of these. A field with an
    # underscore holds what the back end has, and its property makes an object of it at each access.
    position: int
    stream: str
    version: int
    _id: bytes
    type: str
    schema_version: int
    data: bytes
    _metadata: bytes
    tags: tuple[str, ...]
    _occurred: int | str
    _recorded: int | str
    _registry: Registry
    _event: Any = _UNDECODED

    @property
    def event(self) -> Any:
        """The event as an object; `UnknownEventType` or `DecodeError` if it cannot be one today."""
        if self._event is _UNDECODED:
            self._event = self._registry.decode(self.position, self.type, self.schema_version, self.data)
        return self._event

    @property
    def id(self) -> UUID:
        """The event's identity."""
        return UUID(bytes=self._id)

    @property
    def category(self) -> str:
        """The kind of thing that the stream is about: the part before the first ``-``."""
        return self.stream.partition("-")[0]

    @property
    def stream_id(self) -> str:
        """The id within the category: the part after the first ``-``."""
        return self.stream.partition("-")[2]

    @property
    def metadata(self) -> Metadata:
        """The metadata that the append carried."""
        return Metadata.from_json(self._metadata)

    @property
    def occurred_at(self) -> datetime:
        """When it happened in the world; UTC."""
        return moment.from_stored(self._occurred)

    @property
    def recorded_at(self) -> datetime:
        """When the store learnt it, by the store's clock; UTC, never decreasing within a stream."""
        return moment.from_stored(self._recorded)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedEvent):
            return NotImplemented
        return self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.position, self._id))

    def __repr__(self) -> str:
        text = self.data.decode() if len(self.data) <= 120 else self.data[:117].decode(errors="ignore") + "…"
        return f"<{self.position} {self.stream}@{self.version} {self.type} {text}>"

    def _facts(self) -> tuple[Any, ...]:
        return (
            self.position,
            self.stream,
            self.version,
            self._id,
            self.type,
            self.schema_version,
            self.data,
            self._metadata,
            self.tags,
            self._occurred,
            self._recorded,
        )
