"""A generation: one run of a processor over the log from its beginning, and which of a processor's runs is live.

The live one counts. A shadow catches up beside it and takes its place in one transaction; the former one is kept for
going back. Blue and green, for processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

Role = Literal["live", "shadow", "former"]
Mode = Literal["async", "inline"]


class Paused(msgspec.Struct, frozen=True):
    """Who has paused a projection, why and when."""

    who: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a projection's code says of its rows: which version, of which fingerprint, in which tables, about what."""

    name: str
    version: int
    fingerprint: str
    tables: tuple[str, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One building of a projection's rows. ``rebuild`` says why they are to be rebuilt, None if they are not.

    Numbers come again after the newest was struck off, and moments do not: both together say which one it is.
    """

    name: str
    number: int
    begun_at: str
    version: int
    role: Role
    fingerprint: str | None
    tables: tuple[str, ...]
    query: str
    mode: Mode
    paused: Paused | None
    rebuild: str | None

    def is_the_one(self, other: Generation | None) -> bool:
        """Whether they are the same building of rows, whatever has become of it meanwhile."""
        return other is not None and (self.name, self.number, self.begun_at) == (
            other.name,
            other.number,
            other.begun_at,
        )
