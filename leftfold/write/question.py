"""Questions to history: the state by version, as of a moment, as known at a moment, or all of these at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from leftfold.arguments import whole_number
from leftfold.events import RecordedEvent, moment


@dataclass(frozen=True, slots=True)
class Question:
    """Which events count: version <= ``version``, occurred_at <= ``at``, recorded_at <= ``known_at``.

    With backdated events these are not the first events of the stream: an event of the 15th may be recorded after an
    event of the 20th. They are folded in version order all the same.
    """

    version: int | None = None
    at: datetime | None = None
    known_at: datetime | None = None

    @property
    def is_now(self) -> bool:
        """Whether everything counts."""
        return self.version is None and self.at is None and self.known_at is None

    def includes(self, recorded: RecordedEvent) -> bool:
        """Whether an event counts; its version is left to the reading."""
        return (self.at is None or recorded.occurred_at <= self.at) and (
            self.known_at is None or recorded.recorded_at <= self.known_at
        )

    def covers(self, version: int, occurred: datetime, known: datetime) -> bool:
        """Whether every event up to a version counts, given the latest times among them."""
        return (
            (self.version is None or version <= self.version)
            and (self.at is None or occurred <= self.at)
            and (self.known_at is None or known <= self.known_at)
        )

    def reaches_beyond(self, version: int) -> bool:
        """Whether only a version was asked for, and the stream ends before it."""
        return self.version is not None and self.at is None and self.known_at is None and version < self.version

    def __str__(self) -> str:
        parts = [
            f"at version {self.version}" if self.version is not None else "",
            f"as of {self.at.isoformat()}" if self.at else "",
            f"as known at {self.known_at.isoformat()}" if self.known_at else "",
        ]
        return " ".join(part for part in parts if part)


def ask(version: int | None, at: datetime | None, known_at: datetime | None) -> Question:
    """The question, checked: a version from 1, aware moments."""
    return Question(
        None if version is None else whole_number(version, "version", least=1),
        None if at is None else moment.as_utc(at, "at"),
        None if known_at is None else moment.as_utc(known_at, "known_at"),
    )
