"""The trial's read model: how many events each stream has, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable

import leftfold as lf
from leftfold.testing.trial.checker.evidence import Violation
from leftfold.testing.trial.record.records import StoredEvent


class TrialTally(lf.ReadModel):
    """One row for each stream. ``fingerprint`` depends on every event and on their order."""

    stream: lf.Key[str]
    events: int
    fingerprint: int


@lf.projection(TrialTally, key=lambda recorded: recorded.stream)
def tally(row: TrialTally | None, recorded: lf.RecordedEvent) -> TrialTally:
    """Applied by several workers at once, which overtake each other and are killed."""
    before = row or TrialTally(stream=recorded.stream, events=0, fingerprint=0)
    return before.replace(
        events=before.events + 1, fingerprint=_fingerprint(before.fingerprint, recorded.position, recorded.id.hex)
    )


def _fingerprint(before: int, position: int, id: str) -> int:
    return (before * 31 + position * 7 + int(id[:8], 16)) % 1_000_000_007


def check_tally(rows: Iterable[TrialTally], final: Iterable[StoredEvent]) -> list[Violation]:
    """The rows are what folding the final log gives: every event was applied once, in order."""
    expected: dict[str, TrialTally] = {}
    for stored in sorted(final, key=lambda event: event.position):
        before = expected.get(stored.stream) or TrialTally(stream=stored.stream, events=0, fingerprint=0)
        expected[stored.stream] = before.replace(
            events=before.events + 1, fingerprint=_fingerprint(before.fingerprint, stored.position, stored.id)
        )
    found = {row.stream: row for row in rows}
    return [
        Violation("read model", f"the row of {stream} is {found.get(stream)}, expected {expected.get(stream)}", ())
        for stream in sorted(expected.keys() | found.keys())
        if found.get(stream) != expected.get(stream)
    ]
