"""Rules of the log itself: versions, positions and ids; real time; nothing from nowhere; nothing unexpected."""

from __future__ import annotations

from collections.abc import Iterator

from leftfold.testing.trial.checker.evidence import Evidence, Proof, Violation
from leftfold.testing.trial.record.records import FOREVER, Failure


def check_log(evidence: Evidence) -> Iterator[Violation]:
    """The final log, by itself."""
    log = evidence.log
    for index, stored in enumerate(log):
        first = evidence.by_id[stored.id]
        if first != index:
            yield Violation("once", "an event is in the log twice", (log[first], stored, *evidence.origin(index)[:1]))
        if not evidence.callers[stored.id]:
            text = "an event is in the log that no call carried"
            yield Violation("once", text, (stored, *_same_data(evidence, index)))
        if index and stored.position == log[index - 1].position:
            yield Violation("order", "two events have one position", (log[index - 1], stored))
    for indices in evidence.streams.values():
        for number, index in enumerate(indices, start=1):
            before = indices[number - 2] if number > 1 else None
            if log[index].version != number:
                text = f"version {number} is expected here, {log[index].version} is found"
                yield Violation("versions", text, _both(evidence, before, index))
                break
            if before is not None and log[before].position > log[index].position:
                yield Violation("order", "a later version has a lower position", _both(evidence, before, index))
                break


def _both(evidence: Evidence, before: int | None, index: int) -> tuple[Proof, ...]:
    return (*(evidence.event(before) if before is not None else ()), *evidence.event(index))


def _same_data(evidence: Evidence, index: int) -> Iterator[Proof]:
    """The call that carried these very words under another id, which tells where such an event came from."""
    stored = evidence.log[index]
    for operation, call in evidence.appends():
        for write in call.writes:
            if write.stream == stored.stream and any(fact.data == stored.data for fact in write.facts):
                yield operation
                return


def check_real_time(evidence: Evidence) -> Iterator[Violation]:
    """What was there before an append was called has lower positions than it."""
    earliest, witness = FOREVER, 0
    for index in range(len(evidence.log) - 1, -1, -1):
        if earliest < evidence.called[index]:
            proof = (*evidence.event(witness), *evidence.event(index))
            yield Violation("real time", "appended later, and given a lower position", proof)
            return
        if evidence.visible[index] < earliest:
            earliest, witness = evidence.visible[index], index


def check_answers(evidence: Evidence) -> Iterator[Violation]:
    """No error but those that are promised."""
    for operation in evidence.history.operations:
        if isinstance(operation.answer, Failure):
            yield Violation("answers", f"an error that no promise allows: {operation.answer.error}", (operation,))
