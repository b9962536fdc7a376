"""Partitions: a processor's checkpoints, each for the keys of some buckets.

A key belongs to one of 64 buckets for ever, by a stable hash. A partition is a range of buckets with a checkpoint of
its own. A processor begins as one partition of all buckets. Ranges are split and merged as workers come and go.
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
"""Processor, generation, first and last bucket."""


class Failure(msgspec.Struct, frozen=True):
    """The event in front of which a partition stands still, and why. Workers try it again at ``retry_at``, if set."""

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
    """Every event up to ``position`` is applied for the keys in the buckets ``first`` to ``last``.

    ``event_id`` is of the event there, None at 0. ``store`` names the log if the checkpoint is in another database.
    ``leased`` tells whether the lease of ``owner`` was still running when this was read, by the database's clock.

    ``role``, ``begun_at`` and ``paused`` are its generation's at the moment of this ``fence``. A transaction that
    changes one of them raises the fence, too. So a worker that moves the checkpoint by compare-and-set writes to the
    tables of that role.
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
        """The range of buckets; None for all of them."""
        return None if self.is_whole else (self.first, self.last)

    @property
    def share(self) -> float:
        """The share of all buckets, from 0 to 1."""
        return (self.last - self.first + 1) / BUCKETS

    @property
    def place(self) -> Place:
        """What tells this partition from all others."""
        return self.name, self.generation, self.first, self.last

    def is_of(self, generation: Generation | None) -> bool:
        """Whether it belongs to that generation, and role and pause are as they were when that was read."""
        return generation is not None and (self.name, self.generation, self.begun_at, self.role, self.paused) == (
            generation.name,
            generation.number,
            generation.begun_at,
            generation.role,
            generation.paused is not None,
        )

    @property
    def stands_still(self) -> bool:
        """Whether it waits in front of a failed event: for its next try, or for a person."""
        failure = self.failure
        return failure is not None and (
            failure.retry_at is None or failure.retry_at > moment.to_text(datetime.now(UTC))
        )

    def same_checkpoint(self, other: Partition | None) -> bool:
        """Whether no other session has moved it, or raised its fence, between these two looks."""
        return other is not None and (self.place, self.position, self.updated_at, self.fence) == (
            other.place,
            other.position,
            other.updated_at,
            other.fence,
        )

    def same_lease(self, other: Partition | None) -> bool:
        """Whether both were read under the same lease. An act may have moved the checkpoint in between."""
        return other is not None and (self.place, self.owner, self.fence, self.role) == (
            other.place,
            other.owner,
            other.fence,
            other.role,
        )

    def cursor(self, log: Log, remedy: str) -> Cursor:
        """A cursor there. ``remedy`` says what to do if the log has lost events that were applied."""
        return Cursor(
            log,
            self.position,
            event_id=None if self.event_id is None else UUID(self.event_id),
            epoch=None if self.position == 0 else self.epoch,
            store=None if self.store is None else UUID(self.store),
            inside=self.store is None,
            who=f"processor {self.name!r}",
            remedy=remedy,
        )


def owns(partition: Partition) -> Callable[[Sequence[Any]], bool] | None:
    """Tells whether a key's values fall into the partition; None if all do."""
    if partition.is_whole:
        return None
    first, last = partition.first, partition.last
    return lambda key: first <= bucket_of(key) <= last
