"""The checker's rules of reading and following, each with a history that keeps it and one that breaks it."""

from __future__ import annotations

import pytest

from leftfold.testing.trial.record.records import (
    Decide,
    DecisionAnswer,
    Glimpse,
    Head,
    PositionAnswer,
    ReadStream,
    Sight,
    Unknown,
)
from tests.trial.story import TAGGED, Story, append, appended, read_all, saw


@pytest.fixture
def story() -> Story:
    """Four events, acknowledged at 10, 20, 30 and 40: three in stream a, the second and third of all red."""
    story = Story()
    story.simple(1, 10, 1, "a", 1, "one")
    story.simple(11, 20, 2, "a", 2, "two", "red")
    story.simple(21, 30, 4, "b", 1, "three", "red")
    story.simple(31, 40, 5, "a", 3, "four")
    return story


@pytest.fixture
def seen(story: Story) -> list[Sight]:
    return [(event.position, event.digest) for event in story.final]


def test_reading_a_stream_as_it_is_is_clean(story: Story, seen: list[Sight]) -> None:
    first, second, _, fourth = seen
    story.call(50, 60, ReadStream("a"), saw(first, second, fourth))
    story.call(50, 60, ReadStream("a", limit=1), saw(first))
    story.call(50, 60, ReadStream("a", after=1), saw(second, fourth))
    story.call(50, 60, ReadStream("a", limit=2, backwards=True), saw(fourth, second))
    story.call(25, 35, ReadStream("a"), saw(first, second))
    story.call(25, 35, ReadStream("a"), saw(first, second, fourth))
    story.call(5, 6, ReadStream("a"), saw())
    assert story.violations() == []


@pytest.mark.parametrize(
    ("start", "end", "call", "indices"),
    [
        (50, 60, ReadStream("a"), [0, 1]),
        (50, 60, ReadStream("a"), []),
        (50, 60, ReadStream("a"), [0, 3]),
        (50, 60, ReadStream("a"), [1, 0, 3]),
        (50, 60, ReadStream("a"), [0, 1, 1, 3]),
        (50, 60, ReadStream("a"), [0, 1, 2, 3]),
        (50, 60, ReadStream("a", after=1), [0, 1, 3]),
        (50, 60, ReadStream("a", limit=3, backwards=True), [3, 1]),
        (50, 60, ReadStream("a", limit=2, backwards=True), [1, 0]),
        (50, 60, ReadStream("a", limit=2, backwards=True), []),
        (25, 30, ReadStream("a"), [0, 1, 3]),
    ],
    ids=["stale", "nothing", "gap", "order", "twice", "stranger", "after", "ends early", "stale end", "none", "future"],
)
def test_reading_a_stream_otherwise_is_found(
    story: Story, seen: list[Sight], start: int, end: int, call: ReadStream, indices: list[int]
) -> None:
    story.call(start, end, call, saw(*(seen[index] for index in indices)))
    assert story.broken() == {"reads"}


def test_an_event_that_looks_different_to_a_reader_is_found(story: Story) -> None:
    story.call(50, 60, ReadStream("b"), saw((4, "0123456789abcdef")))
    assert story.broken() == {"reads"}


def test_reading_the_log_as_it_is_is_clean(story: Story, seen: list[Sight]) -> None:
    story.call(50, 60, read_all(), saw(*seen))
    story.call(50, 60, read_all(after=1, limit=2), saw(*seen[1:3]))
    story.call(50, 60, read_all(query=TAGGED), saw(*seen[1:3]))
    story.call(50, 60, read_all(limit=3, backwards=True), saw(*seen[:0:-1]))
    story.call(25, 35, read_all(), saw(*seen[:2]))
    story.call(50, 60, Head(), PositionAnswer(5))
    story.call(1, 2, Head(), PositionAnswer(0))
    assert story.violations() == []


@pytest.mark.parametrize("indices", [[0, 1, 2], [0, 2, 3], [], [1, 2, 3], [0, 1, 2, 3, 3]])
def test_reading_the_log_otherwise_is_found(story: Story, seen: list[Sight], indices: list[int]) -> None:
    story.call(50, 60, read_all(), saw(*(seen[index] for index in indices)))
    assert story.broken() == {"reads"}


@pytest.mark.parametrize("indices", [[1], [1, 2, 3], [2]])
def test_reading_by_a_query_otherwise_is_found(story: Story, seen: list[Sight], indices: list[int]) -> None:
    story.call(50, 60, read_all(query=TAGGED), saw(*(seen[index] for index in indices)))
    assert story.broken() == {"reads"}


@pytest.mark.parametrize("position", [4, 3, 0, 9])
def test_a_head_that_is_behind_or_nowhere_is_found(story: Story, position: int) -> None:
    story.call(50, 60, Head(), PositionAnswer(position))
    assert story.broken() == {"reads"}


def test_the_horizon_may_wait_for_an_append_in_flight_and_for_nothing_else(story: Story, seen: list[Sight]) -> None:
    story.call(25, 100, append("c", "slow"), appended((1, 6)))
    story.stored(6, "c", 1, "slow")
    story.call(50, 60, read_all(), saw(*seen[:2]))
    story.call(50, 60, Head(), PositionAnswer(2))
    assert story.violations() == []
    story.call(50, 60, Head(), PositionAnswer(1))
    assert story.broken() == {"reads"}


def test_where_the_horizon_never_waits_what_is_acknowledged_is_shown(story: Story, seen: list[Sight]) -> None:
    story.call(25, 100, append("c", "slow"), appended((1, 6)))
    story.stored(6, "c", 1, "slow")
    story.call(50, 60, read_all(), saw(*seen[:2]))
    story.waits = False
    assert story.broken() == {"reads"}


def test_what_one_reader_has_seen_the_next_one_sees_too(story: Story, seen: list[Sight]) -> None:
    story.call(41, 200, append("b", "five"), Unknown("lost"))
    fifth = story.stored(6, "b", 2, "five")
    story.call(50, 60, ReadStream("b"), saw(seen[2], fifth))
    assert story.violations() == []
    story.call(61, 70, ReadStream("b"), saw(seen[2]))
    assert story.broken() == {"reads"}


def test_a_decision_rests_on_everything_that_was_there(story: Story, seen: list[Sight]) -> None:
    story.call(50, 60, Decide(TAGGED), DecisionAnswer((seen[1], seen[2]), 4, ()))
    story.call(50, 60, Decide(TAGGED), DecisionAnswer((seen[1], seen[2]), 2, (4,)))
    story.call(15, 25, Decide(TAGGED), DecisionAnswer((seen[1],), 2, ()))
    assert story.violations() == []


@pytest.mark.parametrize(
    ("indices", "after", "named"),
    [([1], 2, ()), ([2], 4, ()), ([2], 2, (4,)), ([1, 2], 2, ()), ([1, 2], 2, (5,)), ([2, 1], 4, ())],
)
def test_a_decision_that_misses_something_is_found(
    story: Story, seen: list[Sight], indices: list[int], after: int, named: tuple[int, ...]
) -> None:
    answer = DecisionAnswer(tuple(seen[index] for index in indices), after, named)
    story.call(50, 60, Decide(TAGGED), answer)
    assert story.broken() == {"reads"}


def test_a_follower_that_sees_everything_through_two_lives_is_clean(story: Story, seen: list[Sight]) -> None:
    story.follower(
        Glimpse(1, began=0),
        Glimpse(50, saw=(seen[0], seen[1])),
        Glimpse(51, reached=2),
        Glimpse(52, began=2),
        Glimpse(53, saw=(seen[2],)),
        Glimpse(54, began=4),
        Glimpse(55, saw=(seen[3],)),
        Glimpse(56, reached=5),
    )
    story.follower(Glimpse(1, began=0), Glimpse(50, saw=(seen[1], seen[2])), Glimpse(51, reached=5), query=TAGGED)
    assert story.violations() == []


@pytest.mark.parametrize(
    "glimpses",
    [
        [(50, [0, 2, 3])],
        [(50, [0, 1, 1, 2, 3])],
        [(50, [1, 0, 2, 3])],
        [(50, [0, 1, 2])],
        [(50, [0, 1]), (4, []), (52, [3])],
        [(50, [0, 1]), (1, []), (52, [1, 2, 3])],
        [(30, [0, 1, 2, 3])],
    ],
    ids=["gap", "twice", "order", "stalled", "resumed too late", "resumed too early", "future"],
)
def test_a_follower_that_sees_anything_else_is_found(
    story: Story, seen: list[Sight], glimpses: list[tuple[int, list[int]]]
) -> None:
    told = [
        Glimpse(at, saw=tuple(seen[index] for index in indices)) if indices else Glimpse(51, began=at)
        for at, indices in glimpses
    ]
    story.follower(Glimpse(1, began=0), *told)
    assert story.broken() == {"followers"}


def test_a_follower_that_says_it_has_passed_what_it_did_not_see_is_found(story: Story, seen: list[Sight]) -> None:
    story.follower(Glimpse(1, began=0), Glimpse(50, saw=(seen[1],)), Glimpse(51, reached=4), query=TAGGED)
    [violation] = story.violations()
    assert violation.rule == "followers"
    assert "skipped" in violation.text


def test_a_follower_that_sees_an_event_changed_is_found(story: Story, seen: list[Sight]) -> None:
    story.follower(Glimpse(1, began=0), Glimpse(50, saw=(seen[0], (2, "0123456789abcdef"))))
    assert story.broken() == {"followers"}


def test_a_follower_need_not_have_seen_what_came_when_it_had_been_told_to_end(story: Story, seen: list[Sight]) -> None:
    story.follower(Glimpse(1, began=0), Glimpse(50, saw=tuple(seen[:3])), Glimpse(51, reached=4))
    assert story.broken() == {"followers"}
    story.history.until = 4
    assert story.violations() == []
