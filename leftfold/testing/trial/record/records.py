"""The words in which a trial writes down what was called, what was answered and what was seen.

Times are nanoseconds of the machine's monotonic clock, which all its processes share (on Linux). So *answered before
another was called* is a fact, and so is the span in which a call took effect: between its two lines, or at any later
time if its outcome is unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

import leftfold as lf

FOREVER = 2**63 - 1
Sight = tuple[int, str]
"""An event as it was seen: its position, and the digest of all that can be told of it."""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """A new event, as its append carries it; the id in hex."""

    id: str
    type: str
    data: str
    tags: tuple[str, ...] = ()


class Submission(msgspec.Struct, frozen=True, array_like=True):
    """What one stream gets in a call."""

    stream: str
    expected: int
    facts: tuple[Fact, ...]


class Criterion(msgspec.Struct, frozen=True, array_like=True):
    """One alternative of a query; every given part must hold."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    category: str | None = None


Query = tuple[Criterion, ...]
EVERYTHING: Query = (Criterion(),)


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """Fail if an event that matches ``unless`` stands after ``after``, those ``seen`` apart."""

    unless: Query
    after: int
    seen: tuple[int, ...] = ()


class Append(msgspec.Struct, frozen=True, tag="append"):
    """``append`` of a submission or, if ``together``, ``append_all`` of several."""

    writes: tuple[Submission, ...]
    together: bool = False
    condition: Condition | None = None


class ReadStream(msgspec.Struct, frozen=True, tag="read"):
    stream: str
    after: int = 0
    limit: int | None = None
    backwards: bool = False


class ReadLog(msgspec.Struct, frozen=True, tag="read_all"):
    query: Query = EVERYTHING
    after: int = 0
    limit: int | None = None
    backwards: bool = False


class Head(msgspec.Struct, frozen=True, tag="head"):
    pass


class Decide(msgspec.Struct, frozen=True, tag="decision"):
    query: Query


class Project(msgspec.Struct, frozen=True, tag="project"):
    """``catch_up`` of the trial's read model."""


class AppendAnswer(msgspec.Struct, frozen=True, tag="appended"):
    """Version, position and whether it is a duplicate, for each submission."""

    results: tuple[tuple[int, int, bool], ...]


class Conflict(msgspec.Struct, frozen=True, tag="conflict"):
    stream: str
    expected: int
    actual: int


class ConditionConflict(msgspec.Struct, frozen=True, tag="condition"):
    position: int


class Clash(msgspec.Struct, frozen=True, tag="duplicate"):
    """`DuplicateEvent`."""


class Rollback(msgspec.Struct, frozen=True, tag="rolled back"):
    """The trial's own transaction, ended by its own decision."""


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """`StoreUnavailable`, or the caller went away: it may have been done, or be done later unless it is ``over``."""

    why: str = ""
    over: bool = False


class ReadAnswer(msgspec.Struct, frozen=True, tag="saw"):
    events: tuple[Sight, ...]


class DecisionAnswer(msgspec.Struct, frozen=True, tag="decided"):
    """What a decision rests on: events, and the condition that there are no more."""

    events: tuple[Sight, ...]
    after: int
    seen: tuple[int, ...]


class PositionAnswer(msgspec.Struct, frozen=True, tag="at"):
    position: int


class Failure(msgspec.Struct, frozen=True, tag="failed"):
    """An error that no promise allows."""

    error: str


class Completion(msgspec.Struct, frozen=True, tag="done"):
    pass


Call = Append | ReadStream | ReadLog | Decide | Head | Project
Answer = (
    AppendAnswer
    | Conflict
    | ConditionConflict
    | Clash
    | Rollback
    | Unknown
    | ReadAnswer
    | DecisionAnswer
    | PositionAnswer
    | Completion
    | Failure
)


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a caller's history."""

    at: int
    number: int
    caller: str = ""
    call: Call | None = None
    answer: Answer | None = None


class Glimpse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a follower's: it began behind a position, saw events, or went past where nothing matched."""

    at: int
    began: int | None = None
    saw: tuple[Sight, ...] = ()
    reached: int | None = None
    mark: str | None = None
    """The checkpoint there, as text."""


class Incident(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the trial's own: a fault from ``at`` until ``until``; what it hit."""

    at: int
    until: int
    kind: str
    target: str = ""


class Operation(msgspec.Struct, gc=False):
    """A call and its answer; None if there is none, because its process died."""

    worker: str
    number: int
    caller: str
    call: Call
    called_at: int
    answer: Answer | None = None
    answered_at: int = FOREVER
    ended_at: int = FOREVER
    """When it could no longer take effect: when it was answered, or when all its process had asked for had ended."""

    @property
    def outcome(self) -> Answer:
        return self.answer or Unknown("its process died")


class Follower(msgspec.Struct):
    """One subscriber through all its lives."""

    name: str
    query: Query
    glimpses: list[Glimpse] = msgspec.field(default_factory=list)


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of the final log, as the table holds it."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    data: str
    tags: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self.position, self.stream, self.version, self.id, self.type, self.data, self.tags)


class History(msgspec.Struct):
    """The record of a round."""

    operations: list[Operation] = msgspec.field(default_factory=list)
    followers: list[Follower] = msgspec.field(default_factory=list)
    incidents: list[Incident] = msgspec.field(default_factory=list)
    until: int = FOREVER
    """Up to which position every follower was waited for."""


def digest(position: int, stream: str, version: int, id: str, type: str, data: str, tags: Iterable[str]) -> str:
    """Sixteen characters that stand for everything about an event."""
    text = "\x1f".join((str(position), stream, str(version), id, type, data, *tags))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def sight(recorded: lf.RecordedEvent) -> Sight:
    """What a reader writes down of an event."""
    data = recorded.data.decode()
    id = recorded.id.hex
    return recorded.position, digest(
        recorded.position, recorded.stream, recorded.version, id, recorded.type, data, recorded.tags
    )
