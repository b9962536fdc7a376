"""That the trial bites: logs with one fault each, and every one of them is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from leftfold.testing.trial.round import Mutant, Verdict
from leftfold.testing.trial.stage.places import OwnPostgres, Place, SqliteFiles
from leftfold.testing.trial.stage.plan import Scale
from leftfold.testing.trial.trial import run_trial
from tests.trial import mutants

pytestmark = pytest.mark.exhaustive

SCALE = Scale(workers=2, callers=5, followers=2, seconds=3.0)
MINUTES = 1.0


@pytest.fixture(scope="module")
def postgresql() -> Iterator[OwnPostgres]:
    with OwnPostgres() as place:
        yield place


@pytest.fixture(scope="module")
def sqlite() -> Iterator[SqliteFiles]:
    with SqliteFiles(None) as place:
        yield place


def found_in(place: Place, mutant: Mutant) -> tuple[Verdict, set[str]]:
    """The verdict, and which rules it says are broken."""
    totals, verdict = run_trial(place, 1, MINUTES, SCALE, lambda verdict: None, mutant)
    rules = {violation.rule for violation in verdict.violations}
    print(f"\n{len(verdict.violations)} violations in round {totals.rounds}: {', '.join(sorted(rules))}")
    if rules:
        shutil.rmtree(verdict.directory)
    return verdict, rules


@pytest.mark.parametrize(
    ("sabotage", "expected"),
    [
        (mutants.horizon_off, {"followers", "reads"}),
        (mutants.stream_lock_dropped, {"versions"}),
        (mutants.condition_lock_dropped, {"conditions"}),
        (mutants.not_flushed, {"acknowledged"}),
    ],
)
def test_a_fault_in_the_functions_of_postgresql_is_found(
    postgresql: OwnPostgres, sabotage: Callable[[str], None], expected: set[str]
) -> None:
    _, rules = found_in(postgresql, Mutant(in_the_store=sabotage))
    assert rules & expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("retry_with_new_ids", {"once", "acknowledged", "refused", "duplicates"}),
        ("follow_by_maximum_position", {"followers"}),
        ("answers_mixed_up", {"acknowledged"}),
    ],
)
def test_a_fault_in_what_talks_to_postgresql_is_found(postgresql: OwnPostgres, name: str, expected: set[str]) -> None:
    _, rules = found_in(postgresql, Mutant(f"tests.trial.mutants:{name}"))
    assert rules & expected


def test_a_fault_in_group_commit_is_found_on_sqlite(sqlite: SqliteFiles) -> None:
    _, rules = found_in(sqlite, Mutant("tests.trial.mutants:answers_mixed_up"))
    assert "acknowledged" in rules


def test_a_repetition_stored_again_is_found(sqlite: SqliteFiles) -> None:
    mutant = Mutant("tests.trial.mutants:repetitions_not_recognised", mutants.ids_not_looked_at)
    _, rules = found_in(sqlite, mutant)
    assert "once" in rules


def test_a_failed_commit_that_is_acknowledged_is_found(sqlite: SqliteFiles) -> None:
    _, rules = found_in(sqlite, Mutant("tests.trial.mutants:failed_commit_acknowledged"))
    assert "acknowledged" in rules
