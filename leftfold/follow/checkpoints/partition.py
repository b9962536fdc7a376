"""Partitions: a projection's checkpoints, each for the keys of some buckets.

A key belongs to one of 64 buckets for ever, by a stable hash, and a partition is a range of buckets with a checkpoint
of its own; a projection begins as one partition of all. Ranges are split and merged as workers come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from leftfold.events import moment
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.log.buckets import BUCKETS, Buckets, bucket_of
from leftfold.log.contract import Log
from leftfold.log.subscription.cursor import Cursor

Place = tuple[str, int, int, int]
"""Projection, generation, first and last bucket."""


class Failure(msgspec.Struct, frozen=True):
    """The event in front of which a partition stands still, and why; at ``retry_at`` it is tried again, if ever."""

    position: int
    event_id: str
    stream: str
    type: str
    error: str
    traceback: str
    attempts: int
    failed_at: str
    retry_at: str | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """Every event up to ``position`` is applied to the rows whose keys are in the buckets ``first`` to ``last``.

    ``event_id`` is of the event there, None at 0. ``store`` names the log where it is kept in another database than the
    log. ``leased`` tells whether ``owner`` still held it when this was read, by the database's clock.

    ``role`` is its generation's, which began at ``begun_at``, and ``paused`` tells whether that is paused, at the
    moment of this ``fence``: whoever changes one raises the other in the same transaction. So who moves it by
    compare-and-set writes to the right tables.
    """

    name: str
    generation: int
    first: int
    last: int
    position: int
    event_id: str | None
    epoch: int
    store: str | None
    updated_at: str
    applied: int
    rate: float
    fence: int
    owner: str | None
    role: Role | None
    begun_at: str | None
    paused: bool
    failure: Failure | None
    leased: bool

    @property
    def is_whole(self) -> bool:
        """Whether it has every key."""
        return self.first == 0 and self.last == BUCKETS - 1

    @property
    def buckets(self) -> Buckets | None:
        """Whose keys it has; None: everybody's."""
        return None if self.is_whole else (self.first, self.last)

    @property
    def share(self) -> float:
        """Which part of all keys it has."""
        return (self.last - self.first + 1) / BUCKETS

    @property
    def place(self) -> Place:
        """Which one it is."""
        return self.name, self.generation, self.first, self.last

    def is_of(self, generation: Generation | None) -> bool:
        """Whether it is one of that generation's, in the role and the state in which that was seen."""
        return generation is not None and (self.name, self.generation, self.begun_at, self.role, self.paused) == (
            generation.name,
            generation.number,
            generation.begun_at,
            generation.role,
            generation.paused is not None,
        )

    @property
    def stands_still(self) -> bool:
        """Whether it is not to be tried again, or not yet, after a failure."""
        failure = self.failure
        return failure is not None and (
            failure.retry_at is None or failure.retry_at > moment.to_text(datetime.now(UTC))
        )

    def same_checkpoint(self, other: Partition | None) -> bool:
        """Whether nobody has moved it in between, nor taken it over."""
        return other is not None and (self.place, self.position, self.updated_at, self.fence) == (
            other.place,
            other.position,
            other.updated_at,
            other.fence,
        )

    def standing_in(self, log: Log) -> Cursor:
        """A follower's place in the log there."""
        return Cursor(
            log,
            self.position,
            event_id=None if self.event_id is None else UUID(self.event_id),
            epoch=None if self.position == 0 else self.epoch,
            store=None if self.store is None else UUID(self.store),
            inside=self.store is None,
            who=f"projection {self.name!r}",
            remedy=f"Its rows may tell of events that are gone. {self._remedy}",
        )

    @property
    def _remedy(self) -> str:
        if self.role == "shadow":
            return f"Abandon them, projector.abandon({self.name!r}), and rebuild again"
        return (
            f"Rebuild them from history: projector.rebuild({self.name!r}), or projector.reset({self.name!r}), then "
            "projector.catch_up()"
        )


def owns(partition: Partition) -> Callable[[Sequence[Any]], bool] | None:
    """Whether a key's values fall into it; None if all do."""
    if partition.is_whole:
        return None
    first, last = partition.first, partition.last
    return lambda key: first <= bucket_of(key) <= last
