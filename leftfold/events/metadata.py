"""Metadata: actor, cause and conversation, which every append inside ``with lf.with_metadata(…)`` carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Metadata(Mapping[str, Any]):
    """JSON values by name, read only. Any name may be used; three have a customary meaning and an attribute."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    @classmethod
    def from_json(cls, data: bytes) -> Metadata:
        """Decode the metadata that is stored with an event."""
        return cls(_decode(data)) if data != b"{}" else _EMPTY

    @property
    def actor(self) -> Any:
        """The person or system that acted, or None."""
        return self._values.get("actor")

    @property
    def correlation_id(self) -> Any:
        """The conversation that the event belongs to, or None."""
        return self._values.get("correlation_id")

    @property
    def causation_id(self) -> Any:
        """The message that caused the event, or None."""
        return self._values.get("causation_id")

    def merged(self, other: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """These values, overridden and extended by others."""
        return {**self._values, **other} if other else self._values

    def __or__(self, other: Mapping[str, Any]) -> Metadata:
        return Metadata(self.merged(other))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metadata({self._values!r})"


_EMPTY = Metadata()
_current: ContextVar[Metadata] = ContextVar("leftfold.metadata", default=_EMPTY)


def current_metadata() -> Metadata:
    """The metadata that an append would carry here and now."""
    return _current.get()


@contextmanager
def with_metadata(**values: Any) -> Iterator[Metadata]:
    """Every append inside carries these values; nested blocks add to, and override, those around them."""
    token = _current.set(_current.get() | values)
    try:
        yield _current.get()
    finally:
        _current.reset(token)
