"""Rules of reading: a reader or follower sees the log exactly, and everything that had to be there by then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leftfold.testing.trial.checker.evidence import Evidence, Proof, Sighting, Violation
from leftfold.testing.trial.record.records import (
    Decide,
    DecisionAnswer,
    Follower,
    Head,
    Operation,
    PositionAnswer,
    ReadAnswer,
    ReadLog,
    ReadStream,
    Sight,
)


def check_reads(evidence: Evidence) -> Iterator[Violation]:
    """Rules of ``read``, ``read_all`` and ``head``."""
    for operation in evidence.history.operations:
        match operation.call, operation.answer:
            case ReadStream() as call, ReadAnswer(events=events):
                yield from _check_stream(evidence, operation, call, events)
            case ReadLog() as call, ReadAnswer(events=events):
                yield from _check_log(evidence, operation, call, events)
            case Decide() as call, DecisionAnswer() as answer:
                yield from _check_decision(evidence, operation, call, answer)
            case Head(), PositionAnswer(position=position):
                yield from _check_head(evidence, operation, position)


def _check_stream(
    evidence: Evidence, operation: Operation, call: ReadStream, events: Sequence[Sight]
) -> Iterator[Violation]:
    indices = evidence.streams.get(call.stream, [])
    first, last = call.after + 1, call.after + len(events)
    if call.backwards:
        last = _version_of(evidence, events[0]) if events else call.after
        first = last - len(events) + 1
    expected = indices[max(first, 1) - 1 : last]
    if call.backwards:
        expected = expected[::-1]
    yield from _compare(evidence, operation, expected, events)
    least = evidence.certain_version(call.stream, operation.called_at)
    full = call.limit is not None and len(events) >= call.limit
    if call.backwards and events and not full and first != call.after + 1:
        yield Violation("reads", f"reading backwards ended at version {first}", (operation,))
    if least > max(last, call.after) and (call.backwards or not full):
        missing = indices[max(last, call.after)]
        yield _missed(evidence, operation, missing)


def _version_of(evidence: Evidence, event: Sight) -> int:
    index = evidence.by_position.get(event[0])
    return evidence.log[index].version if index is not None else 0


def _check_log(evidence: Evidence, operation: Operation, call: ReadLog, events: Sequence[Sight]) -> Iterator[Violation]:
    matching = evidence.matching(call.query)
    start = evidence.above(matching, call.after)
    end = start + len(events)
    if call.backwards:
        end = evidence.above(matching, events[0][0]) if events else start
        expected = matching[max(start, end - len(events)) : end][::-1]
        if events and end - len(events) > start and (call.limit is None or len(events) < call.limit):
            yield Violation("reads", "reading backwards ended before the beginning", (operation,))
    else:
        expected = matching[start:end]
    yield from _compare(evidence, operation, expected, events)
    if call.backwards or call.limit is None or len(events) < call.limit:
        least = evidence.certain_position(evidence.settled_before(operation))
        if end < len(matching) and evidence.positions[matching[end]] <= least:
            yield _missed(evidence, operation, matching[end])


def _check_decision(
    evidence: Evidence, operation: Operation, call: Decide, answer: DecisionAnswer
) -> Iterator[Violation]:
    """Everything that matches and was there, above the horizon too, where some may still be missing in between."""
    matching = evidence.matching(call.query)
    settled = evidence.above(matching, answer.after)
    shown = {position for position, _ in answer.events}
    above = [index for index in matching[settled:] if evidence.positions[index] in shown]
    yield from _compare(evidence, operation, matching[:settled] + above, answer.events)
    if tuple(evidence.positions[index] for index in above) != answer.seen:
        yield Violation("reads", f"events above {answer.after} were read, and other events named as seen", (operation,))
    for index in matching:
        if evidence.positions[index] not in shown and evidence.visible[index] < operation.called_at:
            yield _missed(evidence, operation, index)
            return


def _check_head(evidence: Evidence, operation: Operation, position: int) -> Iterator[Violation]:
    index = evidence.by_position.get(position)
    if index is None and position:
        yield Violation("reads", f"the head is {position}, where no event is", (operation,))
    elif index is not None and evidence.called[index] >= operation.answered_at:
        yield Violation("reads", "the head was not there yet", (operation, *evidence.origin(index)[:1]))
    least = evidence.certain_position(evidence.settled_before(operation))
    if position < least:
        yield _missed(evidence, operation, evidence.by_position[least])


def _missed(evidence: Evidence, operation: Operation, index: int) -> Violation:
    proof = (operation, *evidence.event(index))
    return Violation("reads", "read, and not shown what had been there before", proof)


def _compare(
    evidence: Evidence, operation: Operation, expected: Sequence[int], events: Sequence[Sight]
) -> Iterator[Violation]:
    """The events seen are these, and all of them may have been there when they were seen."""
    for place, (position, digest) in enumerate(events):
        index = expected[place] if place < len(expected) else None
        if index is None or evidence.positions[index] != position:
            text = f"place {place + 1} of what was read is position {position}, which the final log does not have there"
            yield Violation("reads", text, (operation, *_nearby(evidence, index, position)))
            return
        if evidence.digests[index] != digest:
            yield Violation("reads", "an event was read otherwise than it is stored", (operation, evidence.log[index]))
            return
        if evidence.called[index] >= operation.answered_at:
            text = "an event was read before any call had appended it"
            yield Violation("reads", text, (operation, *evidence.event(index)))
            return


def _nearby(evidence: Evidence, index: int | None, position: int) -> tuple[Proof, ...]:
    """What the final log has instead, and what it has at that position."""
    found = [index] if index is not None else []
    if position in evidence.by_position:
        found.append(evidence.by_position[position])
    return tuple(record for index in found for record in evidence.event(index))


def check_followers(evidence: Evidence) -> Iterator[Violation]:
    """Every follower saw what it asked for: the whole log, each event once, in order, through all its lives."""
    for follower in evidence.history.followers:
        yield from _check_follower(evidence, follower)


def _check_follower(evidence: Evidence, follower: Follower) -> Iterator[Violation]:
    matching = evidence.matching(follower.query)
    first = follower.glimpses[0].began if follower.glimpses else 0
    place = evidence.above(matching, first or 0)
    for number, glimpse in enumerate(follower.glimpses):
        proof = tuple(Sighting(follower, glimpse) for glimpse in follower.glimpses[max(0, number - 1) : number + 1])
        for gone in (glimpse.began, glimpse.reached):
            if gone is not None and evidence.above(matching, gone) != place:
                where = "skipped" if evidence.above(matching, gone) > place else "repeated"
                at = place if where == "skipped" else evidence.above(matching, gone)
                text = f"went on behind position {gone}: an event is {where}"
                yield Violation("followers", text, (*proof, *evidence.event(matching[at])))
                return
        for position, digest in glimpse.saw:
            if place >= len(matching) or evidence.positions[matching[place]] != position:
                text = f"saw position {position}, which is not the next"
                missed = evidence.event(matching[place]) if place < len(matching) else ()
                yield Violation("followers", text, (*proof, *missed))
                return
            index = matching[place]
            if evidence.digests[index] != digest:
                text = "saw an event otherwise than it is stored"
                yield Violation("followers", text, (*proof, *evidence.event(index)))
                return
            if evidence.called[index] >= glimpse.at:
                text = "saw an event before any call had appended it"
                yield Violation("followers", text, (*proof, *evidence.event(index)))
                return
            place += 1
    due = evidence.above(matching, evidence.history.until)
    if place < due:
        last = tuple(Sighting(follower, glimpse) for glimpse in follower.glimpses[-1:])
        text = f"{follower.name} did not see the last {due - place} of its events, although it was waited for"
        yield Violation("followers", text, (*last, *evidence.event(matching[place])))
