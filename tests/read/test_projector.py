"""The projector over real stores: rows and checkpoint together, exactly once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.front.projector import Projector
from leftfold.front.view import View
from leftfold.read.model.amounts import Digits
from leftfold.read.model.model import Key, ReadModel
from leftfold.read.projection.decorator import projection
from leftfold.read.projection.keyed import Delete
from tests.read.bank import (
    CATEGORY,
    Balance,
    Closed,
    Deposited,
    DyingDatabase,
    Killed,
    Opened,
    balances,
    checkpoints,
    fill,
    folded,
    run_sql,
    stored,
    stream,
)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


def table_of(store: lf.EventStore, name: str = "balance") -> str:
    schema = store._log.database.schema
    return f"{schema}.{name}" if schema else name


def last_id(store: lf.EventStore) -> str:
    return next(str(one.id) for one in store.read_all(backwards=True, limit=1))


def test_the_rows_are_what_a_plain_fold_makes(store: lf.EventStore) -> None:
    fill(store, 120)
    [done] = Projector(store._log, [balances]).catch_up()
    assert (done.projection, done.position) == ("balances", store.head())
    assert done.events == sum(1 for _ in store.read_all(balances.query(store._log.registry)))
    assert stored(store) == folded(store)
    assert checkpoints(store) == [("balances", 1, store.head(), last_id(store))]


def test_page_and_cache_sizes_make_no_difference(store: lf.EventStore) -> None:
    fill(store, 90)
    expected = folded(store)
    for page_events, cached_rows in ((1, 1), (2, 3), (7, 2), (10_000, 1)):
        projector = Projector(store._log, [balances], page_events=page_events, cached_rows=cached_rows)
        projector.reset("balances")
        projector.catch_up()
        assert stored(store) == expected


def test_a_second_run_applies_only_what_is_new(store: lf.EventStore) -> None:
    projector = Projector(store._log, [balances])
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal(5))])
    assert projector.catch_up()[0].events == 2
    assert projector.catch_up()[0].events == 0
    store.append(stream("alice"), [Deposited(amount=Decimal(7))])
    assert projector.catch_up()[0].events == 1
    assert Projector(store._log, [balances]).catch_up()[0].events == 0
    assert stored(store)["alice"].amount == Decimal(12)


def test_an_empty_log_makes_an_empty_table(store: lf.EventStore) -> None:
    [done] = Projector(store._log, [balances]).catch_up()
    assert (done.events, done.position) == (0, 0)
    assert stored(store) == {}
    assert checkpoints(store) == [("balances", 1, 0, None)]


def test_the_checkpoint_moves_past_events_that_nobody_asked_for(store: lf.EventStore) -> None:
    for number in range(3):
        store.append(f"Noise-{number}", [Opened(owner="nobody")])
    [done] = Projector(store._log, [balances]).catch_up()
    assert (done.events, done.position) == (0, store.head())
    assert checkpoints(store) == [("balances", 1, store.head(), last_id(store))]


def test_rows_and_checkpoint_dropped_and_rebuilt_are_equal(store: lf.EventStore) -> None:
    fill(store, 120)
    projector = Projector(store._log, [balances], page_events=11)
    projector.catch_up()
    rows, marks = stored(store), checkpoints(store)
    assert rows
    run_sql(store._log.database, f"DROP TABLE {table_of(store)}")
    for own in ("partitions", "projections"):
        run_sql(store._log.database, f"DELETE FROM {store._log.database.table(own)}")
    projector.catch_up()
    assert (stored(store), checkpoints(store)) == (rows, marks)
    projector.reset("balances")
    assert stored(store) == {}
    assert checkpoints(store) == [("balances", 1, 0, None)]
    Projector(store._log, [balances]).catch_up()
    assert (stored(store), checkpoints(store)) == (rows, marks)


@pytest.mark.parametrize("after_commit", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_killed_between_any_two_pages_and_started_again_is_equal(store: lf.EventStore, after_commit: bool) -> None:
    fill(store, 60)
    Projector(store._log, [balances]).catch_up()
    rows, marks = stored(store), checkpoints(store)
    living = store._log.database
    lives, killed = 0, True
    while killed:
        lives += 1
        Projector(store._log, [balances]).reset("balances")
        dying: Any = DyingDatabase(living, lives, after_commit=after_commit)
        store._log.database = dying
        try:
            Projector(store._log, [balances], page_events=7).catch_up()
            killed = False
        except Killed:
            pass
        finally:
            store._log.database = living
        Projector(store._log, [balances], page_events=7).catch_up()
        assert (stored(store), checkpoints(store)) == (rows, marks)
    assert lives > 7


def test_a_projector_that_survives_a_failed_commit_goes_on_exactly(store: lf.EventStore) -> None:
    fill(store, 60)
    projector = Projector(store._log, [balances], page_events=7)
    living = store._log.database
    for lives in (1, 2, 3):
        for after_commit in (False, True):
            dying: Any = DyingDatabase(living, lives, after_commit=after_commit)
            store._log.database = dying
            projector = Projector(store._log, [balances], page_events=7)
            with pytest.raises(Killed):
                projector.catch_up()
    store._log.database = living
    projector.catch_up()
    assert stored(store) == folded(store)


@pytest.mark.exhaustive
def test_projectors_racing_in_threads_are_exact(store: lf.EventStore) -> None:
    fill(store, 200, accounts=5)
    failures: list[BaseException] = []
    start = threading.Barrier(5)

    def project() -> None:
        try:
            projector = Projector(store._log, [balances], page_events=9, cached_rows=3)
            start.wait()
            while projector.catch_up()[0].position < store.head() or appender.is_alive():
                pass
            projector.catch_up()
        except BaseException as failure:
            failures.append(failure)

    def append() -> None:
        start.wait()
        fill(store, 100, accounts=5, seed=2)

    # the second history starts with accounts that are open: close them first
    for account in folded(store):
        store.append(stream(account), [Closed()])
    threads = [threading.Thread(target=project) for _ in range(4)]
    appender = threading.Thread(target=append)
    for thread in (appender, *threads):
        thread.start()
    for thread in (appender, *threads):
        thread.join()
    assert failures == []
    assert stored(store) == folded(store)
    assert checkpoints(store) == [("balances", 1, store.head(), last_id(store))]


def test_one_projector_shared_by_threads_is_exact(store: lf.EventStore) -> None:
    fill(store, 150)
    projector = Projector(store._log, [balances], page_events=5)
    failures: list[BaseException] = []

    def project() -> None:
        try:
            projector.catch_up()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=project) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored(store) == folded(store)


def test_a_projector_overtaken_by_another_forgets_the_rows_that_it_remembers(store: lf.EventStore) -> None:
    slow, fast = Projector(store._log, [balances]), Projector(store._log, [balances])
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal(1))])
    slow.catch_up()
    store.append(stream("alice"), [Deposited(amount=Decimal(10))])
    fast.catch_up()
    store.append(stream("alice"), [Deposited(amount=Decimal(100))])
    slow.catch_up()
    assert stored(store)["alice"].amount == Decimal(111)


def test_a_projector_that_was_reset_by_another_begins_again(store: lf.EventStore) -> None:
    first, second = Projector(store._log, [balances]), Projector(store._log, [balances])
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal(1))])
    first.catch_up()
    second.reset("balances")
    store.append(stream("alice"), [Deposited(amount=Decimal(10))])
    assert first.catch_up()[0].events == 3
    assert stored(store)["alice"].amount == Decimal(11)


def test_a_deleted_row_can_be_made_again(store: lf.EventStore) -> None:
    projector = Projector(store._log, [balances])
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal(1))])
    projector.catch_up()
    store.append(stream("alice"), [Closed()])
    projector.catch_up()
    assert stored(store) == {}
    store.append(stream("alice"), [Opened(owner="Alice again")])
    projector.catch_up()
    store.append(stream("alice"), [Closed(), Opened(owner="Alice at last")])
    projector.catch_up()
    assert stored(store) == {"alice": Balance("alice", "Alice at last")}


def test_a_failing_event_stops_its_projection_in_front_of_it_and_not_the_others(store: lf.EventStore) -> None:
    class Names(ReadModel):
        account_id: Key[str]
        name: str

    class Counted(ReadModel):
        account_id: Key[str]
        events: int = 0

    broken = True

    @projection(Names, category=CATEGORY, on=[Opened])
    def names(row: Names | None, recorded: lf.RecordedEvent) -> Names:
        if broken and recorded.event.owner == "Eve":
            raise LookupError("no name for Eve")
        return Names(recorded.stream_id, recorded.event.owner)

    @projection(Counted, category=CATEGORY)
    def counted(row: Counted | None, recorded: lf.RecordedEvent) -> Counted:
        row = row or Counted(recorded.stream_id)
        return row.replace(events=row.events + 1)

    store.append(stream("alice"), [Opened(owner="Alice")])
    eve = store.append(stream("eve"), [Opened(owner="Eve")])
    store.append(stream("bob"), [Opened(owner="Bob")])
    projector = Projector(store._log, [names, counted])
    for _ in range(2):
        with pytest.raises(lf.ProcessorFailed, match=r"'names'.*no name for Eve.*catch up again") as caught:
            projector.catch_up()
        failure = caught.value
        assert (failure.projection, failure.position, failure.stream, failure.type, failure.others) == (
            "names", eve.position, stream("eve"), "read.opened", (),
        )  # fmt: skip
        assert isinstance(failure.__cause__, LookupError)
        assert list(stored(store, Names)) == ["alice"]
        assert list(stored(store, Counted)) == ["alice", "bob", "eve"]
        assert [(name, position) for name, _, position, _ in checkpoints(store)] == [
            ("counted", store.head()),
            ("names", eve.position - 1),
        ]
    broken = False
    projector.catch_up()
    assert list(stored(store, Names)) == ["alice", "bob", "eve"]


def test_what_several_projections_failed_of_is_told_together(store: lf.EventStore) -> None:
    class Other(ReadModel):
        account_id: Key[str]

    @projection(Balance, category=CATEGORY, name="first")
    def first(row: Balance | None, recorded: lf.RecordedEvent) -> Balance:
        raise KeyError("first")

    @projection(Other, category=CATEGORY, name="second")
    def second(row: Other | None, recorded: lf.RecordedEvent) -> Other:
        raise KeyError("second")

    store.append(stream("alice"), [Opened(owner="Alice")])
    with pytest.raises(lf.ProcessorFailed) as caught:
        Projector(store._log, [first, second]).catch_up()
    [other] = caught.value.others
    assert isinstance(other, lf.ProcessorFailed)
    assert (caught.value.projection, other.projection) == ("first", "second")
    assert "second" in caught.value.__notes__[0]


def test_an_event_that_cannot_be_decoded_stops_the_projection(store: lf.EventStore) -> None:
    store.append(stream("alice"), [Opened(owner="Alice"), lf.RawEvent("read.deposited", b'{"amount":"a lot"}')])
    store.append(stream("bob"), [Opened(owner="Bob")])
    with pytest.raises(lf.ProcessorFailed) as caught:
        Projector(store._log, [balances]).catch_up()
    assert isinstance(caught.value.__cause__, lf.errors.DecodeError)
    assert list(stored(store)) == ["alice"]


def test_an_amount_that_does_not_fit_stops_the_projection(store: lf.EventStore) -> None:
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal("0.00005"))])
    with pytest.raises(lf.ProcessorFailed, match=r"Balance.amount of 'alice'.*never rounded"):
        Projector(store._log, [balances]).catch_up()
    assert stored(store) == {"alice": Balance("alice", "Alice")}


def test_a_failing_first_event_leaves_the_checkpoint_where_it_was(store: lf.EventStore) -> None:
    store.append(stream("alice"), [Deposited(amount=Decimal(1))])
    projector = Projector(store._log, [balances])
    for _ in range(2):
        with pytest.raises(lf.ProcessorFailed, match="AssertionError"):
            projector.catch_up()
    assert checkpoints(store) == [("balances", 1, 0, None)]


def test_a_failure_on_rows_that_another_projector_has_overtaken_is_no_failure(store: lf.EventStore) -> None:
    fast = Projector(store._log, [balances])
    overtaken = False

    class Latest(ReadModel):
        account_id: Key[str]
        number: int

    def strict(row: Latest | None, recorded: lf.RecordedEvent) -> Latest:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            Projector(store._log, [latest]).catch_up()
            raise RuntimeError("folded on rows that are no longer there")
        return Latest(recorded.stream_id, recorded.version)

    latest = projection(Latest, category=CATEGORY)(strict)
    store.append(stream("alice"), [Opened(owner="Alice"), Deposited(amount=Decimal(1))])
    fast.catch_up()
    [done] = Projector(store._log, [latest]).catch_up()
    assert done.position == store.head()
    assert stored(store, Latest) == {"alice": Latest("alice", 2)}


def test_a_second_category_stops_a_projection_that_names_none(store: lf.EventStore) -> None:
    class Counted(ReadModel):
        account_id: Key[str]
        events: int = 0

    @projection(Counted, on=[Opened])
    def counted(row: Counted | None, recorded: lf.RecordedEvent) -> Counted:
        return Counted(recorded.stream_id, (row.events if row else 0) + 1)

    store.append("Mine-1", [Opened(owner="x")])
    store.append("Mine-2", [Opened(owner="x")])
    Projector(store._log, [counted]).catch_up()
    store.append("Mine-3", [Opened(owner="x")])
    store.append("Yours-1", [Opened(owner="x")])
    for _ in range(2):
        with pytest.raises(lf.ProcessorFailed, match=r"of category 'Yours', and those before it of 'Mine'.*category="):
            Projector(store._log, [counted]).catch_up()
        assert {key: row.events for key, row in stored(store, Counted).items()} == {"1": 1, "2": 1, "3": 1}


def test_a_key_of_ones_own_may_gather_categories_and_pass_events_over(store: lf.EventStore) -> None:
    class PerOwner(ReadModel):
        owner: Key[str]
        streams: tuple[str, ...] = ()

    def owner_of(recorded: lf.RecordedEvent) -> Any:
        owner = recorded.event.owner
        return None if owner == "nobody" else owner.split("+")

    @projection(PerOwner, on=[Opened], key=owner_of)
    def per_owner(row: PerOwner | None, recorded: lf.RecordedEvent) -> PerOwner | Delete | None:
        owner = row.owner if row else ("Alice" if recorded.stream in ("Mine-1", "Yours-1") else "Bob")
        return PerOwner(owner, (*(row.streams if row else ()), recorded.stream))

    store.append("Mine-1", [Opened(owner="Alice")])
    store.append("Mine-2", [Opened(owner="nobody")])
    store.append("Other-1", [Opened(owner="Bob")])
    store.append("Yours-1", [Opened(owner="Alice+Bob")])
    Projector(store._log, [per_owner]).catch_up()
    assert View(store._log.database, PerOwner).find() == [
        PerOwner("Alice", ("Mine-1", "Yours-1")),
        PerOwner("Bob", ("Other-1", "Yours-1")),
    ]


def test_a_table_with_other_columns_is_refused_and_reset_rebuilds_it(store: lf.EventStore) -> None:
    class Before(ReadModel, table="shape"):
        account_id: Key[str]
        amount: Decimal = Decimal(0)
        gone: int = 0

    class After(ReadModel, table="shape"):
        account_id: Key[str]
        amount: Annotated[Decimal, Digits(19, 2)] = Decimal(0)
        added: int | None = None

    @projection(Before, category=CATEGORY, name="shape")
    def before(row: Before | None, recorded: lf.RecordedEvent) -> Before:
        return Before(recorded.stream_id)

    @projection(After, category=CATEGORY, name="shape")
    def after(row: After | None, recorded: lf.RecordedEvent) -> After:
        return After(recorded.stream_id, Decimal("1.25"))

    store.append(stream("alice"), [Opened(owner="Alice")])
    Projector(store._log, [before]).catch_up()
    projector = Projector(store._log, [after, balances])
    with pytest.raises(lf.errors.ProcessorOutdated) as caught:
        projector.catch_up()
    text = str(caught.value)
    for part in ("does not fit After", "column amount is", "added is missing", "gone is bigint", "projector.reset"):
        assert part in text
    assert list(stored(store)) == ["alice"], "the other projection goes on"
    projector.reset("shape")
    projector.catch_up()
    assert stored(store, After) == {"alice": After("alice", Decimal("1.25"))}


def test_a_new_version_does_not_count_old_rows_again(store: lf.EventStore) -> None:
    @projection(Balance, category=CATEGORY, version=2, name="balances")
    def newer(row: Balance | None, recorded: lf.RecordedEvent) -> Balance | Delete | None:
        return balances(row, recorded)

    fill(store, 20)
    Projector(store._log, [balances]).catch_up()
    projector = Projector(store._log, [newer])
    with pytest.raises(
        lf.errors.ProcessorOutdated, match=r"made by version 1, and this is version 2.*reset\('balances'\)"
    ):
        projector.catch_up()
    assert [row[:2] for row in checkpoints(store)] == [("balances", 1)]
    projector.reset("balances")
    projector.catch_up()
    assert stored(store) == folded(store)
    assert [row[:2] for row in checkpoints(store)] == [("balances", 2)]


def test_a_table_that_is_gone_without_its_checkpoint_is_told(store: lf.EventStore) -> None:
    fill(store, 20)
    Projector(store._log, [balances]).catch_up()
    run_sql(store._log.database, f"DROP TABLE {table_of(store)}")
    with pytest.raises(lf.errors.ProcessorOutdated, match=r"is gone, but its checkpoint is not.*reset\('balances'\)"):
        Projector(store._log, [balances]).catch_up()


def test_reset_does_not_drop_a_table_that_is_somebody_elses(store: lf.EventStore) -> None:
    run_sql(store._log.database, f"CREATE TABLE {table_of(store)} (customer TEXT)")
    run_sql(store._log.database, f"INSERT INTO {table_of(store)} VALUES ('precious')")
    projector = Projector(store._log, [balances])
    with pytest.raises(lf.errors.ProcessorOutdated, match="does not fit Balance"):
        projector.catch_up()
    with pytest.raises(lf.errors.ProcessorOutdated, match="is not one that the projection 'balances' has made"):
        projector.reset("balances")
    assert run_sql(store._log.database, f"SELECT * FROM {table_of(store)}") == [("precious",)]
    assert checkpoints(store) == []


def test_every_table_of_leftfolds_own_is_a_name_that_read_models_may_not_have(store: lf.EventStore) -> None:
    if store._log.database.schema is None:
        taken = run_sql(store._log.database, "SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        taken = run_sql(
            store._log.database,
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'S', 'v') "
            f"AND relnamespace = '{store._log.database.schema}'::regnamespace",
        )
    assert len(taken) > 3
    for (name,) in taken:

        class Clash(ReadModel, table=name):
            id: Key[str]

        with pytest.raises(lf.InvalidArgument, match="is taken"):
            projection(Clash)


def test_projections_in_each_others_way_are_refused(store: lf.EventStore) -> None:
    @projection(Balance, category=CATEGORY, name="another")
    def another(row: Balance | None, recorded: lf.RecordedEvent) -> None:
        return None

    with pytest.raises(lf.InvalidArgument, match="two projections are named 'balances'"):
        Projector(store._log, [balances, balances])
    with pytest.raises(lf.InvalidArgument, match="both write the table balance"):
        Projector(store._log, [balances, another])
    wrong: Any = folded
    with pytest.raises(lf.InvalidArgument, match=r"decorate the function with @lf\.projection"):
        Projector(store._log, [wrong])
    with pytest.raises(lf.InvalidArgument, match="no projection 'nothing' here; there are 'balances'"):
        Projector(store._log, [balances]).reset("nothing")
    with pytest.raises(lf.InvalidArgument, match="page_events is a whole number from 1"):
        Projector(store._log, [balances], page_events=0)


def test_a_projection_about_an_unregistered_class_is_refused(store: lf.EventStore) -> None:
    class Unregistered: ...

    @projection(Balance, category=CATEGORY, on=[Unregistered], name="unregistered")
    def unregistered(row: Balance | None, recorded: lf.RecordedEvent) -> None:
        return None

    with pytest.raises(lf.errors.UnknownEventType, match="Unregistered"):
        Projector(store._log, [unregistered]).catch_up()


@pytest.mark.exhaustive
def test_a_page_of_large_events_stays_small(store: lf.EventStore) -> None:
    class Longest(ReadModel):
        account_id: Key[str]
        length: int

    @projection(Longest, category=CATEGORY, on=[Opened])
    def longest(row: Longest | None, recorded: lf.RecordedEvent) -> Longest:
        return Longest(recorded.stream_id, len(recorded.event.owner))

    for number in range(6):
        store.append(stream(f"{number}"), [Opened(owner="x" * 5_000_000)])
    projector = Projector(store._log, [longest], page_events=2)
    projector.catch_up()
    assert {row.length for row in stored(store, Longest).values()} == {5_000_000}
    [(total,)] = View(store._log.database, Longest).select(sa.select(sa.func.sum(Longest.c.length)))
    assert total == 30_000_000
