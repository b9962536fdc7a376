"""The options of a processor: when an event cannot be applied, it pauses, tries again, or parks the event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from leftfold.arguments import is_whole_number
from leftfold.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the event again, ``attempts`` times in all, after pauses that double from ``first`` to ``longest`` seconds.

    For code that asks another service, which may be away for a while. After the last attempt the processor pauses.
    """

    attempts: int = 8
    first: float = 0.5
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first <= 0 or self.longest < self.first:
            raise InvalidArgument(f"{self!r}: expected attempts from 1, and 0 < first <= longest")

    def pause(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return min(self.longest, self.first * 2.0 ** min(attempts - 1, 60))


OnFailure = Literal["pause", "park"] | Retry


def check_on_failure(value: OnFailure) -> OnFailure:
    """The value, or `InvalidArgument` if it is no policy."""
    if value in ("pause", "park") or isinstance(value, Retry):
        return value
    raise InvalidArgument(f"on_failure is 'pause', 'park' or lf.Retry(…), not {value!r}")


def event_types(on: Iterable[Any] | None) -> tuple[Any, ...]:
    """The event types that ``on`` names; `InvalidArgument` if it is no list of types."""
    if on is None:
        return ()
    if isinstance(on, (str, type)) or not isinstance(on, Iterable):
        raise InvalidArgument(f"on is a list of event types, not {on!r}: write on=[…]")
    types = tuple(on)
    if not types:
        raise InvalidArgument("on=[] would be about no event at all: name event types, or leave it out for all")
    return types


def check_version(version: int) -> int:
    """The version, or `InvalidArgument` if it is none."""
    if not is_whole_number(version, least=1, most=2**31 - 1):
        raise InvalidArgument(f"the version of a processor is a whole number from 1, not {version!r}")
    return version
