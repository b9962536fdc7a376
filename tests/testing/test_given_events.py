"""given(events).project(…).expect(rows) holds what holds, and says row by row what does not."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import leftfold as lf
from leftfold.testing import given, in_stream
from tests.read.bank import CATEGORY, Balance, Closed, Deposited, Opened, balances, stream

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)


class Told(lf.ReadModel, table="given_told"):
    position: lf.Key[int]
    stream: str
    version: int
    tags: list[str]
    actor: str | None
    occurred_at: datetime
    recorded_at: datetime


@lf.projection(Told, key=lambda recorded: recorded.position)
def told(row: Told | None, recorded: lf.RecordedEvent) -> Told:
    return Told(
        recorded.position,
        recorded.stream,
        recorded.version,
        list(recorded.tags),
        recorded.metadata.get("actor"),
        recorded.occurred_at,
        recorded.recorded_at,
    )


@lf.projection(Balance, on=[Opened], name="balances of whatever is opened")
def of_any_category(row: Balance | None, recorded: lf.RecordedEvent) -> Balance:
    return Balance(recorded.stream_id, recorded.event.owner)


def amount(value: str) -> Deposited:
    return Deposited(amount=Decimal(value))


def last_at(given_time: datetime) -> dict[str, Any]:
    return {"deposits": 1, "last_at": given_time}


def test_events_without_a_stream_are_in_one_of_the_projections_category() -> None:
    given([Opened(owner="Ann"), amount("5")]).project(balances).expect(
        [Balance("given", "Ann", Decimal(5), 1, datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC))]
    )
    given([Opened(owner="Ann")], id="ann").project(balances).expect([Balance("ann", "Ann")])
    given([Opened(owner="Ann")]).project(of_any_category).expect([Balance("given", "Ann")])


def test_events_are_in_the_streams_that_were_said() -> None:
    history = given(
        [
            in_stream(stream("bob"), Opened(owner="Bob")),
            in_stream(stream("ann"), Opened(owner="Ann"), lf.NewEvent(amount("2"), occurred_at=NOON)),
            in_stream(stream("bob"), Closed(), Opened(owner="Robert")),
            in_stream("Noise-bob", Opened(owner="Noise")),
        ]
    )
    rows = [Balance("ann", "Ann", Decimal(2), **last_at(NOON)), Balance("bob", "Robert")]
    assert history.project(balances).expect(rows).rows == rows, "in the order of keys"
    history.project(balances).expect(reversed(rows))


def test_nothing_at_all_makes_no_rows() -> None:
    given([]).project(balances).expect([])
    given([Opened(owner="Ann"), Closed()]).project(balances).expect([])


def test_every_event_comes_as_a_log_tells_it() -> None:
    said = lf.NewEvent(amount("1"), occurred_at=NOON, tags=["b:2", "a:1", "a:1"], metadata={"actor": "ann"})
    backdated = lf.NewEvent(amount("1"), occurred_at=NOON - timedelta(days=1))
    with lf.with_metadata(actor="bob"):
        history = given([in_stream("A-1", Opened(owner="x"), said), in_stream("B-1", backdated), amount("2")])
    first, later = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), NOON + timedelta(seconds=1)
    history.project(told).expect(
        [
            Told(1, "A-1", 1, [], "bob", first, first),
            Told(2, "A-1", 2, ["a:1", "b:2"], "ann", NOON, NOON),
            Told(3, "B-1", 1, [], "bob", NOON - timedelta(days=1), later),
            Told(4, "Given-given", 1, [], "bob", later + timedelta(seconds=1), later + timedelta(seconds=1)),
        ]
    )


def test_every_event_goes_through_its_json() -> None:
    given([lf.RawEvent("read.opened", '{"owner":"Ann","since":1}')]).project(balances).expect([Balance("given", "Ann")])
    with pytest.raises(lf.InvalidEvent, match="owner"):
        given([Opened(owner=7)])  # type: ignore[arg-type]
    with pytest.raises(lf.errors.UnknownEventType):
        given([in_stream("A-1", object())])
    with pytest.raises(lf.InvalidArgument, match="stream"):
        in_stream("no id", Opened(owner="Ann"))


def test_every_project_starts_from_the_beginning() -> None:
    history = given([Opened(owner="Ann"), Closed(), Opened(owner="Bob")])
    for _ in range(2):
        history.project(balances).expect([Balance("given", "Bob")])


def test_other_rows_are_shown_field_by_field() -> None:
    made = given(
        [
            in_stream(stream("ann"), Opened(owner="Ann"), amount("7")),
            in_stream(stream("bob"), Opened(owner="Bob")),
            in_stream(stream("eve"), Opened(owner="Eve")),
        ]
    ).project(balances)
    with pytest.raises(AssertionError) as failure:
        made.expect(
            [
                Balance("ann", "Anne", Decimal(5), **last_at(datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC))),
                Balance("bob", "Bob"),
                Balance("carol", "Carol"),
            ]
        )
    assert str(failure.value).splitlines() == [
        "the rows differ:",
        f"  missing:    {Balance('carol', 'Carol')!r}",
        f"  unexpected: {Balance('eve', 'Eve')!r}",
        "  different:  'ann'",
        "    owner: expected 'Anne', actual 'Ann'",
        "    amount: expected Decimal('5'), actual Decimal('7')",
    ]


def test_a_fold_that_raises_fails_what_expected_rows_and_is_the_cause() -> None:
    stopped = given([in_stream(stream("ann"), Opened(owner="Ann")), in_stream(stream("bob"), amount("1"))]).project(
        balances
    )
    with pytest.raises(AssertionError) as failure:
        stopped.expect([Balance("ann", "Ann")])
    assert str(failure.value) == (
        "expected 1 row, but event 2, 'read.deposited' of 'ReadAccount-bob', stopped it: AssertionError: "
    )
    assert failure.value.__cause__ is stopped.failure
    assert stopped.failure is not None
    assert stopped.failure.position == 2


def test_a_failure_that_is_expected_leaves_the_rows_before_it() -> None:
    stopped = given([Opened(owner="Ann"), Closed(), amount("1")], id="ann").project(balances)
    stopped.expect_failure(AssertionError).expect([])
    stopped.expect_failure(lf.ProcessorFailed)
    stopped.expect_failure()
    two = given([in_stream(f"{CATEGORY}-1", Opened(owner="1")), in_stream("Other-1", Opened(owner="2"))])
    failed = two.project(of_any_category).expect_failure(lf.InvalidArgument, match="those before it of 'ReadAccount'")
    failed.expect([Balance("1", "1")])


def test_a_failure_that_does_not_come_or_is_another_fails() -> None:
    with pytest.raises(AssertionError, match=r"expected ValueError, but .* folded every event\. rows:\n  Bal"):
        given([Opened(owner="Ann")]).project(balances).expect_failure(ValueError)
    with pytest.raises(AssertionError, match=r"folded every event\. rows: none"):
        given([]).project(balances).expect_failure()
    stopped = given([amount("1")]).project(balances)
    with pytest.raises(AssertionError, match=r"expected ValueError, but event 1, .* stopped it: AssertionError"):
        stopped.expect_failure(ValueError)
    with pytest.raises(AssertionError, match="expected AssertionError matching 'overdraft', but event 1"):
        stopped.expect_failure(AssertionError, match="overdraft")


def test_a_row_that_no_table_could_keep_passes_nowhere() -> None:
    @lf.projection(Balance, category=CATEGORY, name="too exact")
    def too_exact(row: Balance | None, recorded: lf.RecordedEvent) -> Balance:
        return Balance(recorded.stream_id, "Ann", Decimal("0.00001"))

    made = given([Opened(owner="Ann")]).project(too_exact)
    made.expect_failure(lf.InvalidArgument, match=r"Balance\.amount of 'given': .* never rounded")
    with pytest.raises(lf.InvalidArgument, match=r"Balance\.amount of 'given'"):
        given([]).project(balances).expect([Balance("given", "Ann", Decimal("0.00001"))])


def test_what_is_expected_are_rows_of_the_model_one_for_each_key() -> None:
    made: Any = given([Opened(owner="Ann")]).project(balances)
    with pytest.raises(TypeError, match="expect takes a list of rows, not Balance"):
        made.expect(Balance("given", "Ann"))
    with pytest.raises(TypeError, match=r"expect takes rows of Balance, not 'given'"):
        made.expect(["given"])
    with pytest.raises(lf.InvalidArgument, match="two rows were expected for 'given'"):
        made.expect([Balance("given", "Ann"), Balance("given", "Bob")])


def test_only_what_a_keyed_fold_is_can_project() -> None:
    anything: Any = balances.function
    with pytest.raises(TypeError, match=r"project takes what @lf\.projection has made"):
        given([]).project(anything)
    with pytest.raises(TypeError, match="one list of events"):
        given([Opened(owner="Ann")], Opened(owner="Bob"))  # type: ignore[call-overload]


def test_it_opens_no_database() -> None:
    code = (
        "import sqlite3\n"
        "sqlite3.connect = None\n"
        "from leftfold.testing import given\n"
        "from tests.read.bank import Balance, Opened, balances\n"
        "given([Opened(owner='Ann')]).project(balances).expect([Balance('given', 'Ann')])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
