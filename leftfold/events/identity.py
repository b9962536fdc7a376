"""Identifiers: time-ordered event ids.

UUIDv7 (RFC 9562, section 5.7): milliseconds since 1970 in the upper 48 bits. Later ids sort later, so the unique index
grows at its end. The 74 other bits are random, or counted up within a millisecond to keep one process's
ids in order.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0
_RANDOM_BITS = 74
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


def uuid7() -> UUID:
    """A new UUIDv7, greater than every earlier id of this process."""
    global _last
    random = int.from_bytes(os.urandom(10)) >> 6
    now = time.time_ns() // 1_000_000
    with _lock:
        value = (now << _RANDOM_BITS) | (random >> 1)  # the upper half is left free for counting up
        if value <= _last:
            value = _last + 1 + (random & 0xFFFFFFFF)
        _last = value
    upper = value >> 62  # 48 bits of time, then 12 random bits
    lower = value & ((1 << 62) - 1)
    return UUID(int=((upper >> 12) << 80) | ((upper & 0xFFF) << 64) | lower | _VERSION_AND_VARIANT)


def _forget_after_fork() -> None:
    global _lock, _last
    _lock, _last = threading.Lock(), 0


os.register_at_fork(after_in_child=_forget_after_fork)
