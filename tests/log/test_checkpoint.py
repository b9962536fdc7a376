"""Checkpoints as text, and how they are judged by a log's epochs; all pure."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

import leftfold as lf
from leftfold.log.epochs import Epoch, divergence_of

OURS, THEIRS, COPY = (UUID(int=number) for number in (1, 2, 3))
AT_10, AT_20, ELSE = (UUID(int=number) for number in (10, 20, 99))
DAY = datetime(2026, 1, 16, tzinfo=UTC)

FIRST = Epoch(1, OURS, 0, None, "the store was made", DAY)
SECOND = Epoch(2, OURS, 15, UUID(int=15), "restored the backup of the 15th", DAY)
COPIED = Epoch(3, COPY, 30, UUID(int=30), "a copy for the auditors", DAY)


def test_a_checkpoint_comes_back_from_its_text() -> None:
    for one in (lf.Checkpoint(OURS, 1, 0, None), lf.Checkpoint(THEIRS, 2**31 - 1, 2**63 - 1, AT_10)):
        assert lf.Checkpoint.parse(str(one)) == one
        assert lf.Checkpoint.parse(f"{one}\n") == one
        assert "\n" not in str(one)


@pytest.mark.parametrize(
    "text", ["", "None", "17", f"{OURS}/0/1/-", f"{OURS}/1/01/-", f"{OURS}/1/1", f"{OURS}/1/1/x", 7]
)
def test_what_is_no_checkpoint_is_refused(text: object) -> None:
    with pytest.raises(lf.InvalidArgument, match="store/epoch/position/event_id"):
        lf.Checkpoint.parse(text)  # type: ignore[arg-type]


def test_a_follower_begins_behind_a_position_or_a_checkpoint_and_nothing_else() -> None:
    with lf.connect("sqlite://") as store:
        for after in ("3", 1.5, None, -1, True):
            with pytest.raises(lf.InvalidArgument, match="after is a"):
                store.subscribe(after=after)  # type: ignore[arg-type]


def test_the_error_survives_pickling() -> None:
    checkpoint = lf.Checkpoint(OURS, 1, 20, AT_20)
    error = lf.EpochChanged(
        "a subscription", "stands elsewhere", "Go back", checkpoint, replace(checkpoint, position=1)
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.checkpoint, again.proven) == (str(error), error.checkpoint, error.proven)


@pytest.mark.parametrize(
    ("stood", "found", "epochs"),
    [
        (lf.Checkpoint(OURS, 1, 10, AT_10), AT_10, [FIRST]),
        (lf.Checkpoint(OURS, 1, 0, None), None, [FIRST]),
        (lf.Checkpoint(OURS, 1, 10, None), AT_10, [FIRST]),
        (lf.Checkpoint(OURS, 1, 10, AT_10), AT_10, [FIRST, SECOND]),
        (lf.Checkpoint(OURS, 1, 15, AT_10), AT_10, [FIRST, SECOND]),
        (lf.Checkpoint(OURS, 2, 20, AT_20), AT_20, [FIRST, SECOND]),
        (lf.Checkpoint(COPY, 3, 40, AT_20), AT_20, [FIRST, SECOND, COPIED]),
    ],
)
def test_what_both_histories_share_may_go_on(stood: lf.Checkpoint, found: UUID | None, epochs: list[Epoch]) -> None:
    assert divergence_of(stood, found, epochs) is None


@pytest.mark.parametrize(
    ("stood", "found", "epochs", "proven"),
    [
        (lf.Checkpoint(OURS, 1, 10, AT_10), ELSE, [FIRST], None),
        (lf.Checkpoint(OURS, 1, 10, AT_10), None, [FIRST], None),
        (lf.Checkpoint(THEIRS, 1, 10, AT_10), AT_10, [FIRST], None),
        (lf.Checkpoint(OURS, 2, 10, AT_10), AT_10, [FIRST], None),
        # The very same event at the same position: only the epoch tells that others before it are gone.
        (lf.Checkpoint(OURS, 1, 20, AT_20), AT_20, [FIRST, SECOND], lf.Checkpoint(OURS, 2, 15, SECOND.event_id)),
        (lf.Checkpoint(OURS, 1, 20, AT_20), None, [FIRST, SECOND], lf.Checkpoint(OURS, 2, 15, SECOND.event_id)),
        (lf.Checkpoint(OURS, 2, 20, AT_20), AT_20, [FIRST, SECOND, COPIED], lf.Checkpoint(COPY, 3, 20, AT_20)),
        (
            lf.Checkpoint(OURS, 2, 31, AT_20),
            AT_20,
            [FIRST, SECOND, COPIED],
            lf.Checkpoint(COPY, 3, 30, COPIED.event_id),
        ),
        (lf.Checkpoint(OURS, 3, 30, COPIED.event_id), COPIED.event_id, [FIRST, SECOND, COPIED], None),
    ],
)
def test_what_is_of_another_history_is_told_how_far_it_is_shared(
    stood: lf.Checkpoint, found: UUID | None, epochs: list[Epoch], proven: lf.Checkpoint | None
) -> None:
    parted = divergence_of(stood, found, epochs)
    assert parted is not None
    assert parted.proven == proven
    assert proven is None or divergence_of(proven, proven.event_id, epochs) is None, "from there it may go on"


def test_an_epoch_that_began_earlier_than_one_before_it_counts_for_all() -> None:
    earlier = replace(SECOND, number=3, position=5, event_id=UUID(int=5))
    parted = divergence_of(lf.Checkpoint(OURS, 1, 10, AT_10), AT_10, [FIRST, SECOND, earlier])
    assert parted is not None
    assert parted.proven == lf.Checkpoint(OURS, 3, 5, UUID(int=5))


def test_what_is_kept_inside_a_store_goes_with_its_copy() -> None:
    stood = lf.Checkpoint(OURS, 2, 20, AT_20)
    assert divergence_of(stood, AT_20, [FIRST, SECOND, COPIED], inside=True) is None
    assert divergence_of(stood, ELSE, [FIRST, SECOND, COPIED], inside=True) is not None
