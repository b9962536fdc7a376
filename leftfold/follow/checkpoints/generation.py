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
    """Who paused a processor, why and when."""

    who: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a processor's code says of a generation: version, fingerprint, tables, and the query of its events.

    ``tables`` are names that the kind of processor keeps here for itself; a kind without tables leaves it empty.
    """

    name: str
    version: int
    fingerprint: str
    tables: tuple[str, ...]
    query: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One run of a processor over the log. ``rebuild`` says why the next run must begin anew, None if it need not.

    A number comes again after the newest generation was dropped, and a moment does not: `is_same` compares both.
    ``tables`` are names that the kind of processor keeps.
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

    def is_same(self, other: Generation | None) -> bool:
        """Whether both are the same generation, whatever role it has meanwhile."""
        return other is not None and (self.name, self.number, self.begun_at) == (
            other.name,
            other.number,
            other.begun_at,
        )
