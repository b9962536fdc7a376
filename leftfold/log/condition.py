"""Dynamic consistency boundaries: an append on condition that its decision has read all that matters.

The idea and the words are those of dcb.events (Sara Pellegrini, Bastian Waidelich). A decision reads the events that it
depends on, whatever their streams. It is appended unless another such event has come in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from leftfold.errors import InvalidArgument
from leftfold.events import Query

LARGEST_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AppendCondition:
    """Fail with `ConditionFailed` if an event matching ``unless`` stands after position ``after``.

    ``seen`` are positions after it that the decision did read. `EventStore.decision` makes such a condition together
    with the events to decide on. Every committed event counts, above the horizon too.
    """

    unless: Query
    after: int = 0
    seen: Iterable[int] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.unless, Query):
            raise InvalidArgument(
                f"unless is a query, for example lf.Query.of(tags=['student:7']), not {self.unless!r}"
            )
        if not _is_position(self.after):
            raise InvalidArgument(f"after is a position, a whole number from 0 to 2^63 - 1, not {self.after!r}")
        seen: Any = self.seen
        if isinstance(seen, str) or not isinstance(seen, Iterable):
            raise InvalidArgument(f"seen is a list of positions, not {seen!r}")
        object.__setattr__(self, "seen", tuple(seen))
        for position in self.seen:
            if not _is_position(position):
                raise InvalidArgument(f"seen is a list of positions, and {position!r} is none")

    def watched(self) -> frozenset[str]:
        """Names of types and tags; every event that the condition is about has at least one of them.

        A criterion without types and tags, which is about the whole log, adds no name.
        """
        return frozenset().union(
            *[[min(criterion.tags)] if criterion.tags else criterion.types for criterion in self.unless.criteria]
        )

    @property
    def is_about_everything(self) -> bool:
        """Whether any event of the log might be meant, whatever its type and its tags."""
        return any(not criterion.tags and not criterion.types for criterion in self.unless.criteria)


def _is_position(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_POSITION
