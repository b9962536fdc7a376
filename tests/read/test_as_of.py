"""Views of the past: on both back ends and through both doors, the rows that a plain fold of the same events makes."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.database.sqlite.database import SqliteConnection
from leftfold.events import default_registry
from leftfold.front.projector import Projector
from leftfold.front.view import PastView, View
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import Delete
from leftfold.read.view.history import History
from leftfold.read.view.replay import Replayed
from leftfold.read.view.view import AsyncView
from tests.read.bank import Closed, Deposited, Opened, fill, folded, stream
from tests.read.test_restored import lose_events

START = datetime(2026, 1, 1, tzinfo=UTC)


class Till(ReadModel):
    account_id: Key[str]
    owner: str
    amount: Decimal = Decimal(0)
    deposits: int = 0


@projection(Till, category="ReadAccount", on=[Opened, Deposited, Closed])
def tills(row: Till | None, recorded: lf.RecordedEvent) -> Till | Delete | None:
    """Bears a deposit that is told of before the opening, as a past with backdated events has them."""
    event = recorded.event
    if isinstance(event, Opened):
        return Till(recorded.stream_id, event.owner)
    if isinstance(event, Closed):
        return lf.DELETE if row else None
    row = row or Till(recorded.stream_id, "?")
    return row.replace(amount=row.amount + event.amount, deposits=row.deposits + 1)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


def backdate(store: lf.EventStore, events: int, seed: int) -> None:
    """A history whose events occurred in another order than they were recorded."""
    rng = random.Random(seed)
    for number in range(events):
        name = stream(f"acc-{rng.randrange(5)}")
        event = rng.choice([Opened(owner=f"owner {number}"), *[Deposited(amount=Decimal(number))] * 6, Closed()])
        store.append(name, [lf.NewEvent(event, occurred_at=day(rng.randrange(30)))])


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def oracle(store: lf.EventStore, counts: Callable[[lf.RecordedEvent], bool]) -> list[Till]:
    """The rows of the events that count, by a plain loop over the log."""
    rows: dict[str, Any] = {}
    for recorded in store.read_all(tills.query(default_registry)):
        if counts(recorded):
            row = tills(rows.pop(recorded.stream_id, None), recorded)
            if row is not None and row is not lf.DELETE:
                rows[recorded.stream_id] = row
    return [rows[key] for key in sorted(rows)]


def test_at_counts_what_had_occurred_in_the_order_of_the_log(store: lf.EventStore) -> None:
    backdate(store, 150, seed=1)
    view = store.view(Till)
    pasts = []
    for number in range(-1, 31):
        past = view.as_of(at=day(number)).find()
        assert past == oracle(store, lambda recorded, number=number: recorded.occurred_at <= day(number))  # type: ignore[misc]
        pasts.append(past)
    assert pasts[0] == []
    assert len({tuple(past) for past in pasts}) > 20, "the days differ"


def test_known_at_counts_what_the_store_had_learnt(store: lf.EventStore) -> None:
    backdate(store, 60, seed=2)
    view = store.view(Till)
    for recorded in list(store.read_all())[::10]:
        moment = recorded.recorded_at
        assert view.as_of(known_at=moment).find() == oracle(store, lambda one: one.recorded_at <= moment)  # noqa: B023
    assert view.as_of(known_at=START).find() == []


def test_position_counts_the_events_up_to_it(store: lf.EventStore) -> None:
    backdate(store, 80, seed=3)
    view = store.view(Till)
    for position in range(0, store.head() + 1, 7):
        past = view.as_of(position=position)
        assert past.find() == oracle(store, lambda one: one.position <= position)  # noqa: B023
        assert past.position == position


def test_all_that_is_given_must_hold(store: lf.EventStore) -> None:
    backdate(store, 100, seed=4)
    view = store.view(Till)
    middle = list(store.read_all())[50]
    asked: dict[str, Any] = {"at": day(20), "known_at": middle.recorded_at, "position": middle.position - 10}
    for left_out in (None, "at", "known_at", "position"):
        kept = {name: value for name, value in asked.items() if name != left_out}
        expected = oracle(
            store,
            lambda one, left_out=left_out: (  # type: ignore[misc]
                (left_out == "at" or one.occurred_at <= day(20))
                and (left_out == "known_at" or one.recorded_at <= middle.recorded_at)
                and (left_out == "position" or one.position <= middle.position - 10)
            ),
        )
        assert view.as_of(**kept).find() == expected, left_out


def test_as_of_the_head_is_what_the_projector_has_made(store: lf.EventStore) -> None:
    fill(store, 150)
    Projector(store._log, [tills]).catch_up()
    view = store.view(Till)
    past = view.as_of(position=store.head())
    assert past.find() == view.find() == [row for _, row in sorted(folded(store, tills).items())]


def test_the_past_needs_no_table_and_makes_none(store: lf.EventStore) -> None:
    fill(store, 20)
    view = store.view(Till)
    assert view.as_of(position=store.head()).count() > 0
    with pytest.raises(lf.errors.ProcessorOutdated, match="no table"):
        view.count()


def test_the_same_questions_are_answered_in_the_same_way(store: lf.EventStore) -> None:
    fill(store, 120)
    Projector(store._log, [tills]).catch_up()
    view = store.view(Till)
    past: View[Till] = view.as_of(position=store.head())
    c = Till.c
    total = sa.select(sa.func.sum(c.amount), sa.func.count(), sa.func.max(c.owner)).where(c.deposits > 2)
    for asked in (view, past):
        assert asked.get("acc-1") == view.get("acc-1")
        assert asked.get("nobody") is None
        ordered = asked.find(c.amount > 100, order_by=[c.deposits.desc(), c.amount], limit=3, offset=1)
        assert ordered == view.find(c.amount > 100, order_by=[c.deposits.desc(), c.amount], limit=3, offset=1)
        assert asked.count(c.owner.like("%1%")) == view.count(c.owner.like("%1%"))
        assert asked.select(total) == view.select(total)
        with pytest.raises(lf.NotSupported, match="scaled integer"):
            asked.find(c.amount * c.amount > 5)
        with pytest.raises(lf.InvalidArgument, match="Till"):
            asked.get(7)


def test_a_view_of_the_past_stays_as_it_is(store: lf.EventStore) -> None:
    store.append(stream("ann"), [lf.NewEvent(Opened(owner="Ann"), occurred_at=day(1))])
    then = store.view(Till).as_of(at=day(5))
    store.append(stream("ann"), [lf.NewEvent(Deposited(amount=Decimal(7)), occurred_at=day(2))])
    assert then.find() == [Till("ann", "Ann")]
    assert store.view(Till).as_of(at=day(5)).find() == [Till("ann", "Ann", Decimal(7), 1)], "it was told about later"
    store.close()
    assert then.find() == [Till("ann", "Ann")]


def test_the_async_door_answers_the_same(store_url: str) -> None:
    with lf.connect(store_url) as store:
        backdate(store, 100, seed=5)
        head = store.head()
        expected = oracle(store, lambda one: one.occurred_at <= day(12))

    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            view = store.view(Till)
            seen: list[Replayed] = []
            async with await view.as_of(at=day(12), progress=seen.append) as then:
                assert await then.find() == expected
                assert await then.get(expected[0].account_id) == expected[0]
                assert await then.count() == len(expected)
                assert await then.select(sa.select(sa.func.count(Till.c.owner))) == [(len(expected),)]
                assert (seen[-1].position, seen[-1].rows, then.position) == (head, len(expected), head)
                then.close()
                with pytest.raises(lf.StoreUnavailable, match="closed"):
                    await then.find()
            both = await asyncio.gather(*(view.as_of(position=head) for _ in range(3)))
            assert (await both[0].compare(both[2])).count == 0

    asyncio.run(run())


def test_something_must_be_asked(store: lf.EventStore) -> None:
    view = store.view(Till)
    with pytest.raises(lf.InvalidArgument, match=r"say at=.*known_at=.*position="):
        view.as_of()
    with pytest.raises(lf.InvalidArgument, match="naive"):
        view.as_of(at=datetime(2026, 1, 1))  # noqa: DTZ001
    wrong: Any
    for wrong in (-1, True, "7"):
        with pytest.raises(lf.InvalidArgument, match="position is a whole number from 0"):
            view.as_of(position=wrong)
        with pytest.raises(lf.InvalidArgument, match="limit_rows is a whole number"):
            view.as_of(position=0, limit_rows=wrong)


def test_a_position_beyond_the_head_is_not_answered_with_less(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann")])
    head = store.head()
    with pytest.raises(lf.InvalidState, match=rf"position {head + 1} is beyond the head of the log, {head}"):
        store.view(Till).as_of(position=head + 1)


def test_rows_are_changed_and_deleted_from_page_to_page(store: lf.EventStore) -> None:
    for name in ("ann", "bob"):
        store.append(stream(name), [Opened(owner=name)])
    store.append(stream("ann"), [Deposited(amount=Decimal(1))] * 2_500)
    store.append(stream("bob"), [Closed()])
    pages: list[Replayed] = []
    past = store.view(Till).as_of(position=store.head(), progress=pages.append)
    assert len(pages) > 1
    assert past.find() == [Till("ann", "ann", Decimal(2_500), 2_500)]


def test_an_empty_log_has_an_empty_past(store: lf.EventStore) -> None:
    assert store.view(Till).as_of(position=0).find() == []
    assert store.view(Till).as_of(at=day(1), progress=print).count() == 0


def test_a_fold_that_raises_says_where_and_that_nothing_is_stored(store: lf.EventStore) -> None:
    class Strict(ReadModel, table="strict_past"):
        account_id: Key[str]

    @projection(Strict, category="ReadAccount")
    def strict(row: Strict | None, recorded: lf.RecordedEvent) -> Strict:
        if row is None and not isinstance(recorded.event, Opened):
            raise ValueError("not open")
        return Strict(recorded.stream_id)

    late = lf.NewEvent(Deposited(amount=Decimal(1)), occurred_at=day(1))
    store.append(stream("ann"), [lf.NewEvent(Opened(owner="Ann"), occurred_at=day(9)), late])
    view = store.view(Strict)
    assert view.as_of(position=store.head()).count() == 1
    with pytest.raises(lf.ProcessorFailed, match="'strict' stopped in front of") as failed:
        view.as_of(at=day(5))
    assert isinstance(failed.value.__cause__, ValueError)
    assert failed.value.position == store.head()
    assert "a replay in memory, as of 2026-01-06T00:00:00+00:00: nothing is stored" in str(failed.value)
    assert "the log may hold an event after others that rest on it" in str(failed.value)


def test_too_many_rows_are_refused_with_what_to_do(store: lf.EventStore) -> None:
    for number in range(4):
        store.append(stream(f"{number}"), [Opened(owner="x")])
    view = store.view(Till)
    assert view.as_of(position=store.head(), limit_rows=4).count() == 4
    for _ in range(2):  # the second time it would be there already
        with pytest.raises(lf.NotSupported, match=r"of Till has more than 3 rows.*limit_rows=.*repository\.get"):
            view.as_of(position=store.head(), limit_rows=3)
        with pytest.raises(lf.NotSupported, match="more than 3 rows"):
            view.as_of(at=day(3650), limit_rows=3)


def test_progress_tells_how_far_it_has_come(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann"), *[Deposited(amount=Decimal(1))] * 1_500])
    store.append("Noise-1", [Opened(owner="nobody")])
    seen: list[Replayed] = []
    past = store.view(Till).as_of(position=store.head(), progress=seen.append)
    assert len(seen) > 1
    assert [one.position for one in seen] == sorted(one.position for one in seen)
    assert [one.events for one in seen] == sorted(one.events for one in seen)
    last = seen[-1]
    total = sum(1 for _ in store.read_all(tills.query(default_registry)))
    assert (last.position, last.until, last.events, last.rows) == (store.head(), store.head(), total, past.count())
    seen.clear()
    store.view(Till).as_of(position=store.head(), progress=seen.append)
    assert seen == [], "what is there already needs no replay"


def test_several_projections_of_a_model_must_be_told_apart(store: lf.EventStore) -> None:
    class Twice(ReadModel, table="twice_past"):
        account_id: Key[str]
        by: str

    view = store.view(Twice)
    with pytest.raises(lf.InvalidArgument, match=r"no projection folds Twice: import the module"):
        view.as_of(position=0)

    @projection(Twice, category="ReadAccount")
    def first(row: Twice | None, recorded: lf.RecordedEvent) -> Twice:
        return Twice(recorded.stream_id, "first")

    store.append(stream("ann"), [Opened(owner="Ann")])
    assert view.as_of(position=store.head()).find() == [Twice("ann", "first")]

    @projection(Twice, category="ReadAccount", version=3)
    def second(row: Twice | None, recorded: lf.RecordedEvent) -> Twice:
        return Twice(recorded.stream_id, "second")

    with pytest.raises(lf.InvalidArgument, match=r"2 projections .*'first' \(version 1\), 'second' \(version 3\)"):
        view.as_of(position=store.head())
    for one in (first, second):
        assert view.as_of(position=store.head(), projection=one).find() == [Twice("ann", one.name)]
    other: Any = tills
    with pytest.raises(lf.InvalidArgument, match=r"projection=… is a projection of Twice"):
        view.as_of(position=0, projection=other)


def test_a_projection_that_is_defined_again_replaces_the_former(store: lf.EventStore) -> None:
    class Again(ReadModel, table="again_past"):
        account_id: Key[str]
        by: int

    def define(by: int) -> Any:
        @projection(Again, category="ReadAccount")
        def again(row: Again | None, recorded: lf.RecordedEvent) -> Again:
            return Again(recorded.stream_id, by)

        return again

    store.append(stream("ann"), [Opened(owner="Ann")])
    kept = [define(1), define(2)]
    assert store.view(Again).as_of(position=store.head()).find() == [Again("ann", 2)]
    assert len(kept) == 2


def test_without_category_or_key_the_first_category_of_the_log_is_meant(store: lf.EventStore) -> None:
    class Anything(ReadModel, table="anything_past"):
        id: Key[str]

    @projection(Anything, on=[Opened])
    def anything(row: Anything | None, recorded: lf.RecordedEvent) -> Anything:
        return Anything(recorded.stream_id)

    store.append("One-1", [lf.NewEvent(Opened(owner="x"), occurred_at=day(9))])
    store.append("Two-2", [lf.NewEvent(Opened(owner="x"), occurred_at=day(1))])
    with pytest.raises(lf.ProcessorFailed, match=r"category 'Two', and those before it of 'One'"):
        store.view(Anything).as_of(at=day(5))


def test_keys_of_every_kind_come_back(store: lf.EventStore) -> None:
    class Wide(ReadModel, table="wide_past"):
        at: Key[datetime]
        id: Key[UUID]
        amount: Decimal
        tags: list[str]
        note: str | None = None

    @projection(Wide, key=lambda recorded: (recorded.occurred_at, recorded.id), on=[Deposited])
    def wide(row: Wide | None, recorded: lf.RecordedEvent) -> Wide:
        return Wide(recorded.occurred_at, recorded.id, recorded.event.amount, list(recorded.tags))

    for number in range(5):
        event = Deposited(amount=Decimal(number).scaleb(-4))
        store.append(stream("ann"), [lf.NewEvent(event, occurred_at=day(number % 2), tags=[f"n:{number}"])])
    Projector(store._log, [wide]).catch_up()
    view = store.view(Wide)
    past = view.as_of(position=store.head())
    assert past.find() == view.find()
    row = view.find(limit=1)[0]
    assert past.get((row.at, row.id)) == row


def test_other_tables_are_not_in_a_view_of_the_past(store: lf.EventStore) -> None:
    class Nickname(ReadModel, table="nickname_past"):
        account_id: Key[str]

    past = store.view(Till).as_of(position=0)
    joined = sa.select(Till.c.owner, Nickname.c.account_id).where(Nickname.c.account_id == Till.c.account_id)
    within = Till.c.account_id.in_(sa.select(Nickname.c.account_id))
    for ask in (lambda: past.select(joined), lambda: past.find(within), lambda: past.count(within)):
        with pytest.raises(lf.NotSupported, match=r"has the table till and no other, so nickname_past cannot"):
            ask()
    assert past.select(sa.select(sa.func.count()).select_from(sa.select(Till.c.owner).subquery())) == [(0,)]
    with pytest.raises(lf.InvalidArgument, match="rows are written by projections"):
        past.select(sa.delete(Till.c.owner.table))  # type: ignore[arg-type]


def test_a_view_without_a_log_has_no_past(store: lf.EventStore) -> None:
    with pytest.raises(lf.InvalidState, match=r"no log to replay: ask store\.view\(Till\)\.as_of"):
        View(store._log.database, Till).as_of(position=0)
    with pytest.raises(lf.InvalidState, match="no log to replay"):
        store.view(Till).as_of(position=0).as_of(position=0)


def test_a_view_of_the_past_tells_what_it_is(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann")])
    position = store.head()
    assert repr(store.view(Till).as_of(at=day(0), known_at=day(9), position=position)) == (
        f"<Till as of 2026-01-01T00:00:00+00:00 as known at 2026-01-10T00:00:00+00:00 at position {position}, 0 rows>"
    )


def test_nothing_is_waited_for_in_the_past(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann")])
    past = store.view(Till).as_of(position=store.head())
    past.wait_for(store.head())
    with pytest.raises(lf.InvalidArgument, match=r"will not get to \d+: wait with the view of now"):
        past.wait_for(store.head() + 1)


class Replays:
    """Counts how often the log is replayed."""

    def __init__(self, view: View[Till]) -> None:
        self._view = view
        self.count = 0

    def as_of(self, **asked: Any) -> PastView[Till]:
        seen: list[Replayed] = []
        past = self._view.as_of(**asked, progress=seen.append)
        self.count += bool(seen)
        return past


def test_the_same_question_is_replayed_once_until_something_that_counts_has_come(store: lf.EventStore) -> None:
    store.append(stream("ann"), [lf.NewEvent(Opened(owner="Ann"), occurred_at=day(1))])
    replays = Replays(store.view(Till))
    asked = {"at": day(5)}
    for _ in range(3):
        replays.as_of(**asked)
    assert replays.count == 1
    store.append(stream("bob"), [lf.NewEvent(Opened(owner="Bob"), occurred_at=day(6))])
    store.append("Noise-1", [lf.NewEvent(Opened(owner="nobody"), occurred_at=day(1))])
    past = replays.as_of(**asked)
    assert (replays.count, past.position) == (1, store.head()), "nothing of this counts"
    store.append(stream("ann"), [lf.NewEvent(Deposited(amount=Decimal(3)), occurred_at=day(2))])
    assert replays.as_of(**asked).find() == [Till("ann", "Ann", Decimal(3), 1)]
    assert replays.count == 2
    replays.as_of(at=day(6))
    assert replays.count == 3
    position = store.head()
    replays.as_of(position=position)
    store.append(stream("ann"), [Closed()])
    replays.as_of(position=position)
    assert replays.count == 4, "up to a position nothing more can come"


@pytest.mark.parametrize("written_on", [False, True], ids=["shorter", "written on"])
def test_a_log_that_has_lost_events_is_replayed_again(store: lf.EventStore, written_on: bool) -> None:
    store.append(stream("ann"), [lf.NewEvent(Opened(owner="Ann"), occurred_at=day(1))])
    kept = store.head()
    store.append(stream("bob"), [lf.NewEvent(Opened(owner="Bob"), occurred_at=day(1))])
    replays = Replays(store.view(Till))
    assert [row.owner for row in replays.as_of(at=day(2)).find()] == ["Ann", "Bob"]
    replays.as_of(position=kept)
    lose_events(store, kept)
    if written_on:
        store.append(stream("eve"), [lf.NewEvent(Opened(owner="Eve"), occurred_at=day(9))])
    assert replays.as_of(at=day(2)).find() == replays.as_of(position=kept).find() == [Till("ann", "Ann")]
    assert replays.count == 4
    assert store.head() == kept + written_on, "where the lost event stood stands another"


def test_a_log_that_loses_events_during_a_replay_is_replayed_from_the_start(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann")])
    kept = store.head()
    store.append(stream("ann"), [Deposited(amount=Decimal(1))] * 1_500)
    seen: list[Replayed] = []

    def interfere(replayed: Replayed) -> None:
        if not seen:
            lose_events(store, kept)
            store.append(stream("ann"), [Deposited(amount=Decimal(1_000))] * 1_501)
        seen.append(replayed)

    past = store.view(Till).as_of(at=day(3650), progress=interfere)
    assert past.find() == [Till("ann", "Ann", Decimal(1_501_000), 1_501)]
    assert [one.events for one in seen].count(seen[0].events) == 2, "it began twice"


def kept_rows(history: History) -> list[int]:
    return [past.rows for past in history._kept.values()]


def test_what_is_kept_is_bounded_in_number_and_rows(store: lf.EventStore) -> None:
    for number in range(6):
        store.append(stream(f"{number}"), [Opened(owner="x")])
    positions = [one.position for one in store.read_all()]
    history = History(store._log, kept=3, kept_rows=9)
    replays = Replays(View(store._log.database, Till, history))
    for position in positions[:3]:
        replays.as_of(position=position)
    assert kept_rows(history) == [1, 2, 3]
    replays.as_of(position=positions[0])
    replays.as_of(position=positions[3])
    assert kept_rows(history) == [3, 1, 4], "the one that nobody has asked for longest is gone"
    replays.as_of(position=positions[5])
    assert kept_rows(history) == [6], "6 + 4 would be more than 9 rows"
    small = History(store._log, kept_rows=5)
    for _ in range(2):
        assert View(store._log.database, Till, small).as_of(position=positions[5]).count() == 6
    assert kept_rows(small) == [], "too large to keep"


def test_the_rows_leave_memory_with_the_last_who_uses_them(store: lf.EventStore) -> None:
    store.append(stream("ann"), [Opened(owner="Ann")])
    history = History(store._log, kept_rows=0)
    view = View(store._log.database, Till, history)

    def opened() -> tuple[PastView[Till], weakref.ref[Any]]:
        past = view.as_of(position=store.head())
        database: Any = past._view._database
        return past, weakref.ref(database._writer)

    gc.disable()  # what goes, goes at once
    try:
        closed, alive = opened()
        assert closed.count() == 1
        closed.close()
        assert alive() is None
        closed.close()
        with closed, pytest.raises(lf.StoreUnavailable, match=r"\(Till at position \d+, 1 row\) is closed"):
            closed.count()
        dropped, alive = opened()
        del dropped
        assert alive() is None
    finally:
        gc.enable()
    kept = store.view(Till).as_of(position=store.head())
    held = weakref.ref(kept._view._database)
    store.close()
    assert held() is not None
    kept.close()
    assert held() is None


def test_threads_may_share_history(store: lf.EventStore) -> None:
    fill(store, 100)
    view, head = store.view(Till), store.head()
    expected = {at: oracle(store, lambda one, at=at: one.position <= at) for at in range(head - 12, head + 1)}  # type: ignore[misc]
    shared = view.as_of(position=head)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for position, rows in expected.items():
                with view.as_of(position=position) as past:
                    assert past.find() == rows
                assert shared.find() == expected[head]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_async_view_of_the_past_takes_its_thread_with_it(store_url: str) -> None:
    with lf.connect(store_url) as store:
        backdate(store, 60, seed=6)
        expected = oracle(store, lambda one: one.occurred_at <= day(12))

    def in_memory() -> int:
        gc.collect()
        return sum(isinstance(one, SqliteConnection) and one._place == "sqlite://" for one in gc.get_objects())

    async def run() -> None:
        async with lf.connect_async(store_url) as store:
            view = AsyncView(store._log.database, Till, History(store._log, kept=0))
            before = in_memory()
            for milliseconds in range(20):
                asking = asyncio.create_task(view.as_of(at=day(12)))
                await asyncio.wait([asking], timeout=milliseconds / 1000)
                asking.cancel()
                await asyncio.wait([asking])
            del asking
            past = await view.as_of(at=day(12))
            database: Any = past._database
            [thread] = database._writer._executor._thread._threads
            del database
            finding = [asyncio.create_task(past.find()) for _ in range(3)]
            await asyncio.sleep(0)
            for one in finding[1:]:
                one.cancel()
            past.close()
            assert (await asyncio.gather(*finding, return_exceptions=True))[0] == expected
            del finding, one
            deadline = asyncio.get_running_loop().time() + 10
            while in_memory() > before or thread.is_alive():
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.01)

    asyncio.run(run())
