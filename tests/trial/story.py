"""Histories made by hand, for the tests of the checker: times are small numbers, ids are words."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from leftfold.testing.trial.checker import check
from leftfold.testing.trial.checker.evidence import Violation
from leftfold.testing.trial.record.records import (
    EVERYTHING,
    FOREVER,
    Answer,
    Append,
    AppendAnswer,
    Call,
    Condition,
    Criterion,
    Fact,
    Follower,
    Glimpse,
    History,
    Operation,
    Query,
    ReadAnswer,
    ReadLog,
    Sight,
    StoredEvent,
    Submission,
    Unknown,
)

ANY_VERSION = -1
TAGGED: Query = (Criterion((), ("red",)),)


def fact(id: str, *tags: str, data: str = "{}", type: str = "t") -> Fact:
    return Fact(id, type, data, tags)


def append(stream: str, *facts: Fact | str, expected: int = ANY_VERSION, condition: Condition | None = None) -> Append:
    given = tuple(fact(item) if isinstance(item, str) else item for item in facts)
    return Append((Submission(stream, expected, given),), condition=condition)


def together(*appends: Append, condition: Condition | None = None) -> Append:
    return Append(tuple(single.writes[0] for single in appends), True, condition)


def appended(*results: tuple[int, int] | tuple[int, int, bool]) -> AppendAnswer:
    return AppendAnswer(tuple((result[0], result[1], len(result) > 2) for result in results))


@dataclass
class Story:
    """What was called and stored, said in the order of the telling."""

    history: History = field(default_factory=History)
    final: list[StoredEvent] = field(default_factory=list)
    waits: bool = True
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def call(self, start: int, end: int | None, call: Call, answer: Answer | None = None) -> Operation:
        """A call from a moment to a moment; None if it never was answered."""
        answered = FOREVER if end is None else end
        over = FOREVER if end is None or isinstance(answer, Unknown) else end
        operation = Operation("1.1", next(self._numbers), "caller", call, start, answer, answered, over)
        self.history.operations.append(operation)
        return operation

    def stored(self, position: int, stream: str, version: int, event: Fact | str) -> Sight:
        """An event of the final log; how it looks to a reader."""
        given = fact(event) if isinstance(event, str) else event
        self.final.append(StoredEvent(position, stream, version, given.id, given.type, given.data, given.tags))
        return position, self.final[-1].digest

    def simple(self, start: int, end: int, position: int, stream: str, version: int, id: str, *tags: str) -> Sight:
        """An append of one event that went as it should."""
        event = fact(id, *tags)
        self.call(start, end, append(stream, event), appended((version, position)))
        return self.stored(position, stream, version, event)

    def follower(self, *glimpses: Glimpse, query: Query = EVERYTHING) -> None:
        self.history.followers.append(Follower("f", query, list(glimpses)))

    def violations(self) -> list[Violation]:
        return check(self.history, self.final, waits=self.waits)

    def broken(self) -> set[str]:
        """The rules that are broken."""
        return {violation.rule for violation in self.violations()}


def saw(*sights: Sight) -> ReadAnswer:
    return ReadAnswer(tuple(sights))


def read_all(after: int = 0, limit: int | None = None, query: Query = EVERYTHING, backwards: bool = False) -> ReadLog:
    return ReadLog(query, after, limit, backwards)
