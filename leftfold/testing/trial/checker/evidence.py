"""What is certain: the final log, which call each event came from, and from when on it must have been visible.

An event *may* be there from the moment of its call. It *must* be there once its append was acknowledged, or a reader or
follower had seen it. Every rule is judged by these two bounds, so a verdict never depends on how the machine scheduled
its processes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from leftfold.testing.trial.record.records import (
    FOREVER,
    Append,
    AppendAnswer,
    Criterion,
    DecisionAnswer,
    Fact,
    Follower,
    Glimpse,
    History,
    Operation,
    Query,
    ReadAnswer,
    StoredEvent,
    Submission,
)

Key = tuple[tuple[str, tuple[Fact, ...]], ...]
"""What makes two appends the same: the streams and facts, with their ids, of all that they carry."""


class Sighting(NamedTuple):
    """A line of a follower's, as a proof."""

    follower: Follower
    glimpse: Glimpse


Proof = Operation | StoredEvent | Sighting


class Violation(NamedTuple):
    """A broken promise: which, what is wrong, and the few records that prove it."""

    rule: str
    text: str
    proof: tuple[Proof, ...]


class Attempts(NamedTuple):
    """All the calls that carried the same append."""

    key: Key
    operations: list[Operation]
    indices: list[int | None]
    """The indices of its events in the final log, in the order given; None for an event that is not there."""

    @property
    def writes(self) -> Sequence[Submission]:
        call = self.operations[0].call
        assert isinstance(call, Append)
        return call.writes


class Evidence:
    """The history and the final log, indexed. ``waits`` tells that the horizon waits for appends in flight."""

    def __init__(self, history: History, final: Sequence[StoredEvent], *, waits: bool) -> None:
        self.history = history
        self.waits = waits
        self.log = sorted(final, key=lambda stored: stored.position)
        self.positions = [stored.position for stored in self.log]
        self.digests = [stored.digest for stored in self.log]
        self.by_position = {position: index for index, position in enumerate(self.positions)}
        self.by_id = {stored.id: index for index, stored in reversed(list(enumerate(self.log)))}
        self.streams: dict[str, list[int]] = defaultdict(list)
        for index in sorted(range(len(self.log)), key=lambda place: (self.log[place].version, place)):
            self.streams[self.log[index].stream].append(index)
        self.callers: dict[str, list[Operation]] = defaultdict(list)
        """The calls that carried an event, by its id."""
        self.attempts: dict[Key, Attempts] = {}
        for operation in history.operations:
            if isinstance(operation.call, Append):
                self._note_append(operation, operation.call)
        self.called = [
            min((operation.called_at for operation in self.callers[stored.id]), default=0) for stored in self.log
        ]
        self.visible = [FOREVER] * len(self.log)
        self._note_visible()
        for attempt in self.attempts.values():
            answers = [op.answered_at for op in attempt.operations if isinstance(op.answer, AppendAnswer)]
            for operation in attempt.operations:  # what is left of it would find itself repeated
                operation.ended_at = min([operation.ended_at, *answers])

    def _note_append(self, operation: Operation, call: Append) -> None:
        key = key_of(call)
        ids = [fact.id for _, facts in key for fact in facts]
        for id in ids:
            self.callers[id].append(operation)
        if not ids:
            return
        if key not in self.attempts:
            self.attempts[key] = Attempts(key, [], [self.by_id.get(id) for id in ids])
        self.attempts[key].operations.append(operation)

    def _note_visible(self) -> None:
        for attempt in self.attempts.values():
            answered = [op.answered_at for op in attempt.operations if isinstance(op.answer, AppendAnswer)]
            for index in attempt.indices:
                if answered and index is not None:
                    self.visible[index] = min(self.visible[index], *answered)
        for operation in self.history.operations:
            if isinstance(operation.answer, ReadAnswer | DecisionAnswer):
                self._note_sights(operation.answer.events, operation.answered_at)
        for follower in self.history.followers:
            for glimpse in follower.glimpses:
                self._note_sights(glimpse.saw, glimpse.at)

    def _note_sights(self, sights: Sequence[tuple[int, str]], at: int) -> None:
        for position, digest in sights:
            index = self.by_position.get(position)
            if index is not None and self.digests[index] == digest and at < self.visible[index]:
                self.visible[index] = at

    def appends(self) -> Iterator[tuple[Operation, Append]]:
        """Every call that appends."""
        for operation in self.history.operations:
            if isinstance(operation.call, Append):
                yield operation, operation.call

    def origin(self, index: int) -> tuple[Operation, ...]:
        """The calls that may have stored an event, an acknowledged call first."""
        found = self.callers[self.log[index].id]
        return tuple(
            sorted(found, key=lambda operation: (not isinstance(operation.answer, AppendAnswer), operation.called_at))
        )[:2]

    def event(self, index: int) -> tuple[Proof, ...]:
        """An event and the call that it came from, as a proof."""
        return (self.log[index], *self.origin(index)[:1])

    def was_at(self, stream: str, version: int, start: int, end: int) -> bool:
        """Whether the stream may have had this version at some moment between two."""
        events = self.streams.get(stream, [])
        if not 0 <= version <= len(events):
            return False
        reached = version == 0 or self.called[events[version - 1]] < end
        passed = version < len(events) and self.certain_version(stream, start) > version
        return reached and not passed

    def certain_version(self, stream: str, before: int) -> int:
        """The least version that a stream can have had at a moment."""
        if stream not in self.streams:
            return 0
        return bisect_left(self._earliest_of(stream), before)

    def certain_position(self, before: int) -> int:
        """The greatest position that any client knew of at a moment."""
        count = bisect_left(self._earliest, before)
        return self.positions[count - 1] if count else 0

    def _earliest_of(self, stream: str) -> list[int]:
        if stream not in self._earliest_by_stream:
            self._earliest_by_stream[stream] = suffix_least([self.visible[index] for index in self.streams[stream]])
        return self._earliest_by_stream[stream]

    @cached_property
    def _earliest_by_stream(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _earliest(self) -> list[int]:
        return suffix_least(self.visible)

    def settled_before(self, operation: Operation) -> int:
        """The moment such that what was visible before it lies below any horizon that this call can have seen.

        An append that is in flight may hold the horizon back to where it was when that append was called.
        """
        start = operation.called_at
        if not self.waits:
            return start
        ended, least = self._in_flight
        index = bisect_right(ended, start)
        return min(start, least[index]) if index < len(least) else start

    @cached_property
    def _in_flight(self) -> tuple[list[int], list[int]]:
        """The moments at which appends ended, and for each the earliest call among those that ended then or later."""
        order = sorted((operation.ended_at, operation.called_at) for operation, _ in self.appends())
        return [ended for ended, _ in order], suffix_least([called for _, called in order])

    def matching(self, query: Query) -> list[int]:
        """The indices of all events that a query means, in order."""
        if query not in self._matching:
            found = {index for criterion in query for index in self._candidates(criterion)}
            self._matching[query] = sorted(found)
        return self._matching[query]

    @cached_property
    def _matching(self) -> dict[Query, list[int]]:
        return {}

    def _candidates(self, criterion: Criterion) -> Sequence[int]:
        """The events that match a criterion, found by its rarest tag if it has any."""
        tagged = [self._tagged.get(tag, []) for tag in criterion.tags]
        among: Sequence[int] = min(tagged, key=len) if tagged else range(len(self.log))
        return [index for index in among if matches(criterion, self.log[index])]

    @cached_property
    def _tagged(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for index, stored in enumerate(self.log):
            for tag in stored.tags:
                found[tag].append(index)
        return found

    def above(self, indices: Sequence[int], position: int) -> int:
        """Where, in a list of indices, the events behind a position begin."""
        return bisect_left(indices, bisect_right(self.positions, position))


def key_of(call: Append) -> Key:
    """What a call has in common with its repetitions, and with nothing else."""
    return tuple((write.stream, write.facts) for write in call.writes if write.facts)


def matches(criterion: Criterion, stored: StoredEvent) -> bool:
    """Whether an event matches an alternative of a query."""
    return (
        (not criterion.types or stored.type in criterion.types)
        and all(tag in stored.tags for tag in criterion.tags)
        and (criterion.category is None or stored.stream.partition("-")[0] == criterion.category)
    )


def suffix_least(values: Sequence[int]) -> list[int]:
    """For each place, the least value there or behind it: never decreasing, so that it can be searched."""
    found = list(values)
    for index in range(len(found) - 2, -1, -1):
        found[index] = min(found[index], found[index + 1])
    return found
