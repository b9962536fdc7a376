"""A checkpoint: how far a follower has come, in a form that can be verified when it goes on.

A position alone does not tell whether the log is still the same. After a restored backup, or a failover that lost the
log's tail, another event may stand there. So a checkpoint names the store, its epoch, and the event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from leftfold.errors import InvalidArgument, LeftfoldError

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TEXT = re.compile(rf"({_UUID})/([1-9][0-9]{{0,9}})/(0|[1-9][0-9]{{0,18}})/({_UUID}|-)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to ``position`` was followed, in an ``epoch`` of a ``store``; ``event_id`` is of the event there.

    ``event_id`` is None at position 0, and where a follower began behind a bare position without an event.
    `str` makes one line of text, ``store/epoch/position/event_id``, and `parse` reads it. Keep it wherever you like,
    best in the transaction that keeps your results.
    """

    store: UUID
    epoch: int
    position: int
    event_id: UUID | None

    def __str__(self) -> str:
        return f"{self.store}/{self.epoch}/{self.position}/{self.event_id or '-'}"

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """Read the text of a checkpoint; `InvalidArgument` if it is none."""
        parts = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
        if parts is None:
            raise InvalidArgument(
                f"{text!r} is no checkpoint: expected str(checkpoint), store/epoch/position/event_id, such as "
                "0190f5c2-7c3a-7d10-8000-3f1e5a9b2c4d/1/4711/0190f5c3-0b1e-7a22-9c4d-8f00e1d2c3b4"
            )
        store, epoch, position, event_id = parts.groups()
        return Checkpoint(UUID(store), int(epoch), int(position), None if event_id == "-" else UUID(event_id))


class EpochChanged(LeftfoldError):
    """The log is not the same as before: restored from a backup, failed over without its tail, or replaced.

    The follower stops, for going on could skip events that were written instead. ``checkpoint`` is where it stood.
    ``proven`` is the last point that certainly belongs to both histories; None if that cannot be told. From there the
    follower may go on, once everything that it did for later events has been undone.
    """

    def __init__(self, who: str, reason: str, remedy: str, checkpoint: Checkpoint, proven: Checkpoint | None) -> None:
        self.who = who
        self.reason = reason
        self.remedy = remedy
        self.checkpoint = checkpoint
        self.proven = proven
        super().__init__(f"{who} {reason}. {remedy}")

    def __reduce__(self) -> tuple[type[EpochChanged], tuple[str, str, str, Checkpoint, Checkpoint | None]]:
        return type(self), (self.who, self.reason, self.remedy, self.checkpoint, self.proven)
