"""Expected versions: what an append may demand of its stream. Any number from 1 up demands exactly that version."""

from __future__ import annotations

from typing import Final

ANY_VERSION: Final = -1
"""Whatever the stream's version is. Never fails on a race."""
NO_STREAM: Final = 0
"""The stream has no events yet."""
STREAM_EXISTS: Final = -2
"""The stream has at least one event. Never fails on a race."""


def describe(expected: int) -> str:
    """The demand in words: ``"no stream"``, ``"version 7"``."""
    names = {ANY_VERSION: "any version", NO_STREAM: "no stream", STREAM_EXISTS: "an existing stream"}
    return names.get(expected, f"version {expected}")
