"""Rules of conditional appends: none was stored against its condition, none refused without a reason."""

from __future__ import annotations

from collections.abc import Iterator

from leftfold.testing.trial.checker.appends import check_not_repeated
from leftfold.testing.trial.checker.evidence import Attempts, Evidence, Violation, matches
from leftfold.testing.trial.record.records import Append, AppendAnswer, Condition, ConditionConflict, Operation, Unknown


def check_conditions(evidence: Evidence) -> Iterator[Violation]:
    """Rules of conditional appends."""
    for attempts in evidence.attempts.values():
        yield from _check_kept(evidence, attempts)
    for operation, call in evidence.appends():
        if isinstance(operation.answer, ConditionConflict) and call.condition:
            yield from _check_refused(evidence, operation, call, call.condition, operation.answer.position)


def _check_kept(evidence: Evidence, attempts: Attempts) -> Iterator[Violation]:
    """Between ``after`` and the append's own first event stands nothing that matches, but for what was seen."""
    indices = [index for index in attempts.indices if index is not None]
    if len(indices) < len(attempts.indices):
        return
    possible = evidence.callers[evidence.log[min(indices)].id]  # others, too, if they carry the same id
    storing = [op for op in possible if isinstance(op.outcome, AppendAnswer | Unknown)]
    conditions = [_condition(operation) for operation in storing]
    if not storing or None in conditions:
        return
    firsts = [_first(evidence, operation) for operation in storing]  # another call may carry more than these
    broken = [
        _offender(evidence, condition, first) for condition, first in zip(conditions, firsts, strict=True) if condition
    ]
    if all(offender is not None for offender in broken):
        offender = broken[0]
        assert offender is not None
        proof = (storing[0], evidence.log[firsts[0]], *evidence.event(offender))
        yield Violation("conditions", "appended, although an event stood there that its condition excludes", proof)


def _condition(operation: Operation) -> Condition | None:
    assert isinstance(operation.call, Append)
    return operation.call.condition


def _first(evidence: Evidence, operation: Operation) -> int:
    """Where the first of a call's events is."""
    assert isinstance(operation.call, Append)
    ids = [fact.id for write in operation.call.writes for fact in write.facts]
    return min(evidence.by_id[id] for id in ids if id in evidence.by_id)


def _offender(evidence: Evidence, condition: Condition, first: int) -> int | None:
    matching = evidence.matching(condition.unless)
    for place in range(evidence.above(matching, condition.after), len(matching)):
        index = matching[place]
        if index >= first:
            return None
        if evidence.positions[index] not in condition.seen:
            return index
    return None


def _check_refused(
    evidence: Evidence, operation: Operation, call: Append, condition: Condition, position: int
) -> Iterator[Violation]:
    index = evidence.by_position.get(position)
    if index is None:
        text = f"refused for an event at position {position}, where there is none"
        yield Violation("conditions", text, (operation,))
        return
    stored = evidence.log[index]
    own = {fact.id for write in call.writes for fact in write.facts}
    why = ""
    if not any(matches(criterion, stored) for criterion in condition.unless):
        why = "that does not match"
    elif position <= condition.after or position in condition.seen:
        why = "that it knew of"
    elif evidence.called[index] >= operation.answered_at:
        why = "that was not there yet"
    elif stored.id in own:
        why = "of its own"
    if why:
        yield Violation("conditions", f"refused for an event {why}", (operation, *evidence.event(index)))
    yield from check_not_repeated(evidence, operation, call, "a broken condition")
