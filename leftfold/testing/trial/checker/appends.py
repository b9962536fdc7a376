"""Rules of appends: acknowledged appends are stored as told, unknown ones wholly or not at all, refused ones not."""

from __future__ import annotations

from collections.abc import Iterator

from leftfold import expected as expectation
from leftfold.testing.trial.checker.evidence import Attempts, Evidence, Key, Violation, key_of
from leftfold.testing.trial.record.records import (
    Append,
    AppendAnswer,
    Clash,
    ConditionConflict,
    Conflict,
    Operation,
    Submission,
    Unknown,
)


def check_appends(evidence: Evidence) -> Iterator[Violation]:
    """Rules of the answers to appends."""
    for attempts in evidence.attempts.values():
        yield from _check_stored(evidence, attempts)
    for operation, call in evidence.appends():
        match operation.answer:
            case AppendAnswer():
                yield from _check_acknowledged(evidence, operation, call, operation.answer)
            case Conflict():
                yield from _check_conflict(evidence, operation, call, operation.answer)
            case Clash():
                yield from _check_clash(evidence, operation, call)
            case ConditionConflict() if call.condition is None:
                yield Violation("conditions", "an append without a condition was refused for a condition", (operation,))


def _check_stored(evidence: Evidence, attempts: Attempts) -> Iterator[Violation]:
    operations = tuple(attempts.operations)
    ids = [fact.id for _, facts in attempts.key for fact in facts]
    acknowledged = [operation for operation in operations if isinstance(operation.answer, AppendAnswer)]
    there = [index for index in attempts.indices if index is not None]
    if acknowledged:
        if len(there) < len(ids):
            text = f"acknowledged, but {len(ids) - len(there)} of its {len(ids)} events are not in the log"
            yield Violation("acknowledged", text, (acknowledged[0],))
            return
    else:
        own = [evidence.by_id.get(id) for id in ids if len(_keys(evidence, id)) == 1]
        stored = [index for index in own if index is not None]
        if any(isinstance(operation.outcome, Unknown) for operation in operations):
            if stored and len(stored) < len(own):
                text = f"its outcome is unknown, and {len(stored)} of its {len(own)} events are in the log: a half"
                yield Violation("all or nothing", text, (*operations[:2], evidence.log[stored[0]]))
                return
        elif stored:
            yield Violation("refused", "refused, and stored all the same", (operations[0], evidence.log[stored[0]]))
            return
    if there and len(there) == len(ids):
        yield from _check_shape(evidence, attempts, bool(acknowledged))


def _keys(evidence: Evidence, id: str) -> set[Key]:
    """What different appends carried this event."""
    return {key_of(operation.call) for operation in evidence.callers[id] if isinstance(operation.call, Append)}


def _check_shape(evidence: Evidence, attempts: Attempts, acknowledged: bool) -> Iterator[Violation]:
    """Stored in the stream, order and wording of the call, one version after the other, and where it might be."""
    wrong = "".join(_misshapen(evidence, write) for write in attempts.writes if write.facts)
    first = evidence.log[attempts.indices[0] or 0]
    if wrong and acknowledged:
        yield Violation("acknowledged", f"acknowledged, but {wrong}", (attempts.operations[0], first))
    if wrong:
        return
    answered = [op.answer for op in attempts.operations if isinstance(op.answer, AppendAnswer)]
    if sum(not all(duplicate for _, _, duplicate in answer.results) for answer in answered) > 1:
        text = "stored twice, as two acknowledgements say"
        yield Violation("duplicates", text, (*attempts.operations[:3], first))
    for write in attempts.writes:
        if write.facts:
            before = evidence.log[evidence.by_id[write.facts[0].id]].version - 1
            expected = [submission.expected for submission in _possible(evidence, write)]
            if not any(satisfied(version, before) for version in expected):
                text = f"{write.stream} was at version {before}, not as expected, and it was appended"
                yield Violation("expected version", text, (attempts.operations[0], first))


def _possible(evidence: Evidence, write: Submission) -> Iterator[Submission]:
    """What may have brought a submission's events into their stream: itself, or others with its first event's id."""
    for operation in evidence.callers[write.facts[0].id]:
        assert isinstance(operation.call, Append)
        if isinstance(operation.outcome, AppendAnswer | Unknown):
            yield from (submission for submission in operation.call.writes if submission.stream == write.stream)


def satisfied(expected: int, version: int) -> bool:
    """Whether a stream at a version is as an append expects it."""
    return expected in (expectation.ANY_VERSION, version) or (expected == expectation.STREAM_EXISTS and version > 0)


def _misshapen(evidence: Evidence, write: Submission) -> str:
    """What is not as it was given; nothing if all is."""
    stored = [evidence.log[evidence.by_id[fact.id]] for fact in write.facts]
    for offset, (fact, event) in enumerate(zip(write.facts, stored, strict=True)):
        if event.stream != write.stream:
            return f"event {fact.id} is in {event.stream}"
        if (event.type, event.data, event.tags) != (fact.type, fact.data, fact.tags):
            return f"event {fact.id} is not what was given"
        if event.version != stored[0].version + offset or (offset and event.position <= stored[offset - 1].position):
            return f"the events stand at versions {', '.join(str(event.version) for event in stored)}"
    return ""


def _check_acknowledged(
    evidence: Evidence, operation: Operation, call: Append, answer: AppendAnswer
) -> Iterator[Violation]:
    """The version and position in the answer are those of the last event."""
    for write, (version, position, duplicate) in zip(call.writes, answer.results, strict=True):
        if write.facts:
            index = evidence.by_id.get(write.facts[-1].id)
            if index is None:
                continue  # not acknowledged as it should be: said above
            last = evidence.log[index]
            if (last.version, last.position) != (version, position):
                text = f"told version {version} at position {position}, stored as version {last.version} at "
                yield Violation("acknowledged", f"{text}position {last.position}", (operation, last))
            continue
        if not evidence.was_at(write.stream, version, operation.called_at, operation.answered_at):
            text = f"told that {write.stream} is at version {version}, which it was not at any moment of the call"
            yield Violation("expected version", text, (operation, *_around(evidence, write.stream, version)))
        elif position != (evidence.log[evidence.streams[write.stream][version - 1]].position if version else 0):
            text = f"told position {position} for version {version} of {write.stream}"
            yield Violation("acknowledged", text, (operation, *_around(evidence, write.stream, version)))
        if not duplicate and not satisfied(write.expected, version):
            text = f"{write.stream} was at version {version}, not as expected"
            yield Violation("expected version", text, (operation,))


def _check_conflict(evidence: Evidence, operation: Operation, call: Append, answer: Conflict) -> Iterator[Violation]:
    """A conflict names a version that was not expected, and that the stream had at some moment of the call."""
    asked = [write for write in call.writes if write.stream == answer.stream]
    if not asked or asked[0].expected != answer.expected:
        yield Violation("conflicts", "a conflict over what was not asked", (operation,))
        return
    if satisfied(answer.expected, answer.actual):
        text = f"refused, although {answer.stream} was at version {answer.actual} as expected"
        yield Violation("conflicts", text, (operation,))
    if not evidence.was_at(answer.stream, answer.actual, operation.called_at, operation.answered_at):
        text = f"refused because {answer.stream} is at version {answer.actual}, which it was not during the call"
        yield Violation("conflicts", text, (operation, *_around(evidence, answer.stream, answer.actual)))
    yield from check_not_repeated(evidence, operation, call, "a conflict")


def _check_clash(evidence: Evidence, operation: Operation, call: Append) -> Iterator[Violation]:
    ids = [fact.id for write in call.writes for fact in write.facts]
    stored = [evidence.by_id[id] for id in ids if id in evidence.by_id]
    if not any(evidence.called[index] < operation.answered_at for index in stored):
        text = "refused as a duplicate, but none of its events had been stored"
        yield Violation("duplicates", text, (operation,))
    elif len(stored) == len(ids) and not any(_misshapen(evidence, write) for write in call.writes if write.facts):
        proof = (operation, evidence.log[stored[0]])
        yield Violation("duplicates", "refused as a duplicate, but it is stored just so", proof)


def check_not_repeated(evidence: Evidence, operation: Operation, call: Append, what: str) -> Iterator[Violation]:
    """The log recognises a repetition before it judges, so a refused append has not been stored before."""
    ids = [fact.id for write in call.writes for fact in write.facts]
    stored = [evidence.by_id.get(id) for id in ids]
    known = [index for index in stored if index is not None and evidence.visible[index] < operation.called_at]
    if (
        known
        and len(known) == len(ids)
        and not any(_misshapen(evidence, submission) for submission in call.writes if submission.facts)
    ):
        text = f"answered with {what}, but it had been stored before: a repetition"
        yield Violation("duplicates", text, (operation, *evidence.event(known[0])))


def _around(evidence: Evidence, stream: str, version: int) -> tuple[Operation, ...]:
    """The calls that brought a stream to a version, and away from it."""
    events = evidence.streams.get(stream, [])
    near = [events[number - 1] for number in (version, version + 1) if 1 <= number <= len(events)]
    return tuple(operation for index in near for operation in evidence.origin(index)[:1])
