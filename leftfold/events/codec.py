"""Codecs: an event to JSON bytes and back, exactly or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from leftfold.errors import EventTooLarge, InvalidEvent

MAX_EVENT_BYTES = 16 * 2**20
"""The largest JSON text of one event, in bytes."""

_SUSPICIOUS = re.compile(rb'Infinity|[0-9]T[0-9:.]+"')
"""The traces of infinite Decimals and naive datetimes, which equality does not notice. A hit only costs a walk."""

_to_json = msgspec.json.Encoder().encode
_check_json = msgspec.json.Decoder().decode


class Codec(Protocol):
    """How instances of one class are stored."""

    def encode(self, event: Any) -> bytes:
        """JSON; `InvalidEvent` if it would not come back equal."""

    def decode(self, data: bytes) -> Any:
        """The instance again; msgspec's or pydantic's own error if it does not fit."""


def codec_for(cls: type) -> Codec:
    """The codec of an event class, chosen by its kind."""
    if hasattr(cls, "__pydantic_fields__"):
        model: Any = cls
        return CheckedCodec(
            lambda event: event.model_dump_json(by_alias=True, round_trip=True).encode(),
            lambda: model.model_validate_json,
        )
    return CheckedCodec(_to_json, lambda: msgspec.json.Decoder(cls).decode)


class CheckedCodec:
    """Encodes, decodes again and compares. The stored JSON is that of the decoded event, hence canonical.

    The decoder is made at first use, because a class may mention types that are defined after it.
    """

    def __init__(self, to_json: Callable[[Any], bytes], make_decoder: Callable[[], Callable[[bytes], Any]]) -> None:
        self._to_json = to_json
        self._make_decoder = make_decoder
        self.decode: Callable[[bytes], Any] = self._decode_first

    def _decode_first(self, data: bytes) -> Any:
        self.decode = self._make_decoder()  # later events take no detour, for histories are long
        return self.decode(data)

    def encode(self, event: Any) -> bytes:
        """Canonical JSON; `InvalidEvent` or `EventTooLarge`."""
        try:
            data = self._to_json(event)
            again = self.decode(data)
        except Exception as error:
            raise InvalidEvent(_explain(error)) from error
        if getattr(type(event), "__eq__", None) is object.__eq__:  # eq=False: compare the JSON
            same = self._to_json(again) == data
        else:
            same = _equal(again, event)
        if not same:
            raise InvalidEvent(_difference(event, again))
        if _SUSPICIOUS.search(data):
            check_values(event)
        return check_size(self._to_json(again))


def check_raw_json(data: bytes | str) -> bytes:
    """The JSON text of a `RawEvent`, unchanged; `InvalidEvent` if it is not valid JSON."""
    try:
        raw = data.encode() if isinstance(data, str) else bytes(data)
        _check_json(raw)
    except Exception as error:
        raise InvalidEvent(f"the data is not JSON that can be stored: {_explain(error)}") from error
    return check_size(raw)


def encode_mapping(values: Mapping[str, Any], what: str) -> bytes:
    """A mapping of JSON values (metadata); `InvalidEvent` if it would not come back equal."""
    if not values:
        return b"{}"
    plain = dict(values)
    try:
        data = _to_json(plain)
        again = _check_json(data)
    except Exception as error:
        raise InvalidEvent(f"{what}: {_explain(error)}") from error
    if again != plain:
        raise InvalidEvent(f"{what}: {_difference(plain, again)}")
    return check_size(data)


def check_size(data: bytes) -> bytes:
    """``data``, unless it is over `MAX_EVENT_BYTES`."""
    if len(data) > MAX_EVENT_BYTES:
        raise EventTooLarge(
            f"its JSON has {len(data):,} bytes; at most {MAX_EVENT_BYTES:,} are stored. Keep the document elsewhere "
            "and record its address and hash"
        )
    return data


def check_values(event: Any) -> None:
    """`InvalidEvent` for an infinite Decimal or a naive datetime anywhere inside the event."""
    if hasattr(event, "model_dump"):
        fields = event.model_dump()
    else:
        fields = msgspec.to_builtins(event, builtin_types=(Decimal, datetime))
    for path, value in _leaves(fields, "$"):
        if isinstance(value, Decimal) and not value.is_finite():
            raise InvalidEvent(f"{value} is no amount that can be stored - at `{path}`")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise InvalidEvent(f"the naive datetime {value!r} is no moment: give it a time zone - at `{path}`")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}", key
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _explain(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[error.start]!r} is a lone surrogate, which is no character; JSON cannot carry it"
    if isinstance(error, RecursionError):
        return "it is nested too deeply to be encoded and decoded again"
    return str(error)


def _equal(left: Any, right: Any) -> bool:
    """Whether they are equal; what cannot be compared (a signalling NaN) is not."""
    try:
        return bool(left == right)
    except ArithmeticError:
        return False


def _difference(given: Any, again: Any) -> str:
    """Which field would not come back as it was given."""
    for name, before, after in _fields(given, again):
        if isinstance(before, float) and not math.isfinite(before):
            return f"{before} is no JSON number - at `$.{name}`"
        if type(before) is not type(after) or not _equal(before, after):
            return f"{before!r} would come back as {after!r} - at `$.{name}`"
    return f"{given!r} would come back as {again!r}"


def _fields(given: Any, again: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(given, dict) and isinstance(again, dict):
        return [(name, value, again[name]) for name, value in given.items() if name in again]
    names = getattr(type(given), "__struct_fields__", None) or getattr(type(given), "__annotations__", {})
    return [(name, getattr(given, name, None), getattr(again, name, None)) for name in names]
