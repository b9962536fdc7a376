"""The checker: from all calls, answers and sightings, and from the final log, it decides exactly.

A pure function: no clock, no database. Its verdict rests on two bounds for each event, see `evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence

from leftfold.testing.trial.checker.appends import check_appends
from leftfold.testing.trial.checker.conditions import check_conditions
from leftfold.testing.trial.checker.evidence import Evidence, Proof, Sighting, Violation
from leftfold.testing.trial.checker.money import check_money
from leftfold.testing.trial.checker.order import check_answers, check_log, check_real_time
from leftfold.testing.trial.checker.reads import check_followers, check_reads
from leftfold.testing.trial.record.records import History, StoredEvent

__all__ = ["RULES", "Proof", "Sighting", "Violation", "check"]

RULES = (
    check_log,
    check_appends,
    check_conditions,
    check_real_time,
    check_followers,
    check_reads,
    check_money,
    check_answers,
)


def check(history: History, final: Sequence[StoredEvent], *, waits: bool) -> list[Violation]:
    """Every broken promise, those of the log itself first; none if the history is as promised.

    ``final`` is the log when all is over. ``waits`` tells whether the horizon waits for appends in flight, as on
    PostgreSQL. Then ``read_all`` and ``head`` need not show yet the appends that came after a call in flight.
    """
    evidence = Evidence(history, final, waits=waits)
    return [violation for rule in RULES for violation in rule(evidence)]
