"""The checker's rules of appends and of the log itself, each with a history that keeps it and one that breaks it."""

from __future__ import annotations

import pytest

from leftfold.testing.trial.record.records import (
    Append,
    Clash,
    Condition,
    ConditionConflict,
    Conflict,
    Fact,
    Failure,
    Rollback,
    Submission,
    Unknown,
)
from tests.trial.story import ANY_VERSION, TAGGED, Story, append, appended, fact, together


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_is_acknowledged_and_stored_is_clean(story: Story) -> None:
    story.call(1, 5, append("a", "x", "y", expected=0), appended((2, 2)))
    story.stored(1, "a", 1, "x")
    story.stored(2, "a", 2, "y")
    story.simple(6, 7, 3, "b", 1, "z")
    assert story.violations() == []


def test_an_acknowledged_append_that_is_not_there_is_found(story: Story) -> None:
    lost = story.call(1, 5, append("a", "x"), appended((1, 1)))
    [violation] = story.violations()
    assert (violation.rule, violation.proof) == ("acknowledged", (lost,))


@pytest.mark.parametrize("told", [(1, 2), (2, 1)])
def test_an_acknowledgement_of_another_place_is_found(story: Story, told: tuple[int, int]) -> None:
    story.call(1, 5, append("a", "x"), appended(told))
    story.stored(1, "a", 1, "x")
    assert story.broken() == {"acknowledged"}


def test_an_event_stored_with_other_words_is_found(story: Story) -> None:
    story.call(1, 5, append("a", fact("x", data="1")), appended((1, 1)))
    story.stored(1, "a", 1, fact("x", data="2"))
    assert story.broken() == {"acknowledged"}


def test_an_event_that_stands_in_the_log_twice_is_found(story: Story) -> None:
    story.simple(1, 5, 1, "a", 1, "x")
    story.stored(2, "a", 2, "x")
    assert "once" in story.broken()


def test_an_event_that_no_call_carried_is_found_with_the_call_that_had_its_words(story: Story) -> None:
    story.simple(1, 5, 1, "a", 1, "x")
    story.stored(2, "a", 2, "stranger")
    [violation] = story.violations()
    assert violation.rule == "once"
    assert violation.proof == (story.final[1], story.history.operations[0])


@pytest.mark.parametrize("there", [0, 2])
def test_an_unknown_outcome_is_all_or_nothing(story: Story, there: int) -> None:
    story.call(1, None, together(append("a", "x"), append("b", "y")))
    for position, (stream, id) in enumerate([("a", "x"), ("b", "y")][:there], start=1):
        story.stored(position, stream, 1, id)
    assert story.violations() == []


def test_half_of_an_unknown_append_is_found(story: Story) -> None:
    story.call(1, 5, together(append("a", "x"), append("b", "y")), Unknown("lost"))
    story.stored(1, "a", 1, "x")
    assert story.broken() == {"all or nothing"}


@pytest.mark.parametrize("answer", [Conflict("a", 0, 1), Rollback()])
def test_what_was_refused_and_is_stored_is_found(story: Story, answer: Conflict | Rollback) -> None:
    story.simple(1, 2, 1, "a", 1, "first")
    story.call(3, 5, append("a", "x", expected=0), answer)
    story.stored(2, "a", 2, "x")
    assert "refused" in story.broken()


def test_versions_with_a_gap_are_found(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.simple(3, 4, 2, "a", 3, "y")
    assert story.broken() == {"versions"}


def test_two_events_of_one_version_are_found(story: Story) -> None:
    story.simple(1, 4, 1, "a", 1, "x")
    story.simple(1, 4, 2, "a", 1, "y")
    assert story.broken() == {"versions"}


def test_a_later_version_at_a_lower_position_is_found(story: Story) -> None:
    story.simple(1, 4, 2, "a", 1, "x")
    story.simple(1, 4, 1, "a", 2, "y")
    assert story.broken() == {"order"}


def test_an_append_at_another_version_than_it_expected_is_found(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.call(3, 4, append("a", "y", expected=0), appended((2, 2)))
    story.stored(2, "a", 2, "y")
    assert story.broken() == {"expected version"}


def test_a_conflict_with_an_append_that_was_under_way_is_clean(story: Story) -> None:
    story.simple(1, 9, 1, "a", 1, "x")
    story.call(3, 4, append("a", "y", expected=0), Conflict("a", 0, 1))
    assert story.violations() == []


def test_a_conflict_that_tells_a_version_from_the_future_is_found(story: Story) -> None:
    story.call(3, 4, append("a", "y", expected=0), Conflict("a", 0, 1))
    story.simple(5, 9, 1, "a", 1, "x")
    assert story.broken() == {"conflicts"}


def test_a_conflict_that_tells_a_version_from_the_past_is_found(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.simple(3, 4, 2, "a", 2, "y")
    story.call(5, 6, append("a", "z", expected=0), Conflict("a", 0, 1))
    assert story.broken() == {"conflicts"}


@pytest.mark.parametrize(("expected", "actual"), [(ANY_VERSION, 1), (-2, 1), (1, 1)])
def test_a_conflict_where_the_version_was_as_expected_is_found(story: Story, expected: int, actual: int) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.call(3, 4, append("a", "y", expected=expected), Conflict("a", expected, actual))
    assert story.broken() == {"conflicts"}


def test_appends_that_follow_each_other_in_time_do_so_in_the_log(story: Story) -> None:
    story.simple(1, 9, 2, "a", 1, "x")
    story.simple(2, 10, 1, "b", 1, "y")
    assert story.violations() == []


def test_a_lower_position_for_what_was_called_later_is_found(story: Story) -> None:
    story.simple(1, 2, 2, "a", 1, "x")
    story.simple(3, 4, 1, "b", 1, "y")
    assert story.broken() == {"real time"}


def test_a_repetition_that_points_at_the_first_is_clean(story: Story) -> None:
    story.call(1, 2, append("a", "x", expected=0), Unknown("lost"))
    story.call(3, 4, append("a", "x", expected=0), appended((1, 1, True)))
    story.stored(1, "a", 1, "x")
    story.call(5, 6, append("a", "x", expected=0), appended((1, 1, True)))
    assert story.violations() == []


def test_a_repetition_that_points_elsewhere_is_found(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.simple(3, 4, 2, "a", 2, "y")
    story.call(5, 6, append("a", "x"), appended((2, 2, True)))
    assert story.broken() == {"acknowledged"}


def test_two_first_times_are_found(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.call(3, 4, append("a", "x"), appended((1, 1)))
    assert story.broken() == {"duplicates"}


@pytest.mark.parametrize("answer", [Conflict("a", 0, 1), Clash()])
def test_a_repetition_that_is_refused_is_found(story: Story, answer: Conflict | Clash) -> None:
    story.call(1, 2, append("a", "x", expected=0), appended((1, 1)))
    story.stored(1, "a", 1, "x")
    story.call(3, 4, append("a", "x", expected=0), answer)
    assert story.broken() == {"duplicates"}


def test_another_append_with_an_id_that_is_taken_is_rightly_refused(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.call(3, 4, append("a", fact("x", data="other")), Clash())
    story.call(3, 4, append("b", "x", "y"), Clash())
    assert story.violations() == []


def test_a_clash_with_nothing_is_found(story: Story) -> None:
    story.call(3, 4, append("a", "x"), Clash())
    assert story.broken() == {"duplicates"}


def test_no_events_at_all_are_told_a_version_of_that_moment(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x")
    story.call(3, 4, Append((Submission("a", 1, ()),)), appended((1, 1)))
    assert story.violations() == []
    story.call(5, 6, Append((Submission("a", ANY_VERSION, ()),)), appended((0, 0)))
    assert story.broken() == {"expected version"}


def condition(after: int, *seen: int) -> Condition:
    return Condition(TAGGED, after, seen)


def test_a_condition_that_held_is_clean(story: Story) -> None:
    story.simple(1, 2, 1, "a", 1, "x", "red")
    story.simple(1, 2, 2, "a", 2, "y", "red")
    story.call(3, 4, append("b", "z", condition=condition(1, 2)), appended((1, 3)))
    story.stored(3, "b", 1, "z")
    story.simple(3, 5, 4, "a", 3, "later", "red")
    assert story.violations() == []


def test_a_condition_does_not_speak_of_what_was_appended_with_it(story: Story) -> None:
    """Not even when another call, which is refused, carries but the later half of it."""
    both = together(append("a", fact("x", "red")), append("b", "y"), condition=condition(0))
    story.call(1, 2, both, appended((1, 1), (1, 2)))
    story.stored(1, "a", 1, fact("x", "red"))
    story.stored(2, "b", 1, "y")
    story.call(3, 4, append("b", fact("y", data="other")), Clash())
    assert story.violations() == []


@pytest.mark.parametrize("answered", [True, False])
def test_an_append_against_its_condition_is_found(story: Story, answered: bool) -> None:
    story.simple(1, 2, 1, "a", 1, "x", "red")
    call = append("b", "z", condition=condition(0))
    story.call(3, 4 if answered else None, call, appended((1, 2)) if answered else None)
    story.stored(2, "b", 1, "z")
    assert story.broken() == {"conditions"}


def test_a_condition_that_failed_on_a_matching_event_is_clean(story: Story) -> None:
    story.simple(1, 9, 1, "a", 1, "x", "red")
    story.call(3, 4, append("b", "z", condition=condition(0)), ConditionConflict(1))
    assert story.violations() == []


@pytest.mark.parametrize(
    ("given", "position"),
    [(condition(0), 2), (condition(1), 1), (condition(0, 1), 1), (condition(0), 3), (condition(0), 7), (None, 1)],
    ids=["another", "before", "seen", "not there yet", "nothing there", "without condition"],
)
def test_a_condition_that_failed_for_no_reason_is_found(story: Story, given: Condition | None, position: int) -> None:
    story.simple(1, 2, 1, "a", 1, "x", "red")
    story.simple(1, 2, 2, "a", 2, "y")
    story.call(3, 4, append("b", "z", condition=given), ConditionConflict(position))
    story.simple(5, 6, 3, "a", 3, "later", "red")
    assert story.broken() == {"conditions"}


def test_a_repetition_refused_by_its_own_events_is_found(story: Story) -> None:
    call = append("b", fact("z", "red"), condition=condition(0))
    story.call(1, 2, call, appended((1, 1)))
    story.stored(1, "b", 1, fact("z", "red"))
    story.call(3, 4, call, ConditionConflict(1))
    assert story.broken() == {"conditions", "duplicates"}


def test_an_error_that_nobody_promised_is_found(story: Story) -> None:
    story.call(1, 2, append("a", "x"), Failure("AssertionError"))
    assert story.broken() == {"answers"}


def money(id: str, amount: int, transfer: str = "") -> Fact:
    return fact(id, data=f'{{"transfer":"{transfer}","amount":{amount}}}', type="trial.moved")


def opened(id: str) -> Fact:
    return fact(id, data='{"amount":100}', type="trial.opened")


def test_money_that_moves_is_clean_and_half_a_transfer_is_found(story: Story) -> None:
    for position, (stream, half) in enumerate((("a", opened("o")), ("b", opened("p"))), start=1):
        story.call(1, 2, append(stream, half), appended((1, position)))
        story.stored(position, stream, 1, half)
    halves = (money("x", -30, "t"), money("y", 30, "t"))
    call = together(append("a", halves[0]), append("b", halves[1]))
    story.call(3, 4, call, appended((2, 3), (2, 4)))
    story.stored(3, "a", 2, halves[0])
    assert "money" in story.broken()
    story.stored(4, "b", 2, halves[1])
    assert story.violations() == []
    for position, id in ((5, "v"), (6, "w")):
        half = money(id, -60 if id == "v" else 60, "u")
        story.call(5, 6, append("a", half), appended((position - 2, position)))
        story.stored(position, "a", position - 2, half)
    assert story.violations() == []
    story.call(7, 8, append("b", money("q", -500, "s")), appended((3, 7)))
    story.stored(7, "b", 3, money("q", -500, "s"))
    assert [violation.text for violation in story.violations()] == [
        "b is overdrawn, at -370",
        "transfer s stands in the log with the amounts [-500]",
    ]
