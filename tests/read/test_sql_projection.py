"""SQL projections over real stores: statements of the handler's own, once for each event, with the checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

import leftfold as lf
from tests.read.bank import (
    CATEGORY,
    Closed,
    Deposited,
    DyingDatabase,
    Killed,
    Opened,
    checkpoints,
    fill,
    run_sql,
    stream,
)

totals = sa.Table(
    "owner_totals",
    sa.MetaData(),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("cents", sa.BigInteger, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.CheckConstraint("cents < 100000000000", name="not_too_rich"),
    sa.Index("owner_totals_by_cents", "cents"),
)


class Totals(lf.SqlProjection, tables=[totals], category=CATEGORY, on=[Deposited]):
    add = insert(totals)
    add = add.on_conflict_do_update(
        index_elements=[totals.c.account],
        set_={"cents": totals.c.cents + add.excluded.cents, "events": totals.c.events + 1},
    )

    def handle(self, recorded: lf.RecordedEvent) -> Iterator[Any]:
        yield self.add, {"account": recorded.stream_id, "cents": int(recorded.event.amount * 100), "events": 1}


class Plain(lf.SqlProjection, tables=[totals], category=CATEGORY, on=[Opened, Deposited, Closed], name="plain"):
    def handle(self, recorded: lf.RecordedEvent) -> list[Any]:
        here = totals.c.account == recorded.stream_id
        match recorded.event:
            case Opened():
                return [sa.insert(totals).values(account=recorded.stream_id, cents=0, events=0)]
            case Deposited(amount=amount):
                return [
                    sa.update(totals).where(here).values(cents=totals.c.cents + int(amount * 100)),
                    sa.update(totals).where(here).values(events=totals.c.events + 1),
                ]
        return [sa.delete(totals).where(here)]


class Asking(lf.SqlProjection, tables=[totals], category=CATEGORY, on=[Deposited], name="asking"):
    async def handle(self, tx: lf.types.ProjectionTransaction, recorded: lf.RecordedEvent) -> None:
        here = totals.c.account == recorded.stream_id
        found = await tx.execute(sa.select(totals.c.cents, totals.c.events).where(here))
        cents = int(recorded.event.amount * 100)
        if not found:
            await tx.execute(sa.insert(totals), {"account": recorded.stream_id, "cents": cents, "events": 1})
            return
        [(before, events)] = found
        await tx.execute(sa.update(totals).where(here).values(cents=before + cents, events=events + 1))


class Day(lf.ReadModel):
    day: lf.Key[date]
    total: Decimal = Decimal(0)


@pytest.fixture
def store(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        yield store


def rows(store: lf.EventStore) -> dict[str, tuple[int, int]]:
    schema = store._log.database.schema
    table = f"{schema}.owner_totals" if schema else "owner_totals"
    found = run_sql(store._log.database, f"SELECT account, cents, events FROM {table}")
    return {account: (cents, events) for account, cents, events in found}


def expected(store: lf.EventStore, *, living: bool = False) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for recorded in store.read_all(lf.Query.of(Opened, Deposited, Closed, category=CATEGORY)):
        cents, events = found.get(recorded.stream_id, (0, 0))
        if isinstance(recorded.event, Deposited):
            found[recorded.stream_id] = (cents + int(recorded.event.amount * 100), events + 1)
        elif living and isinstance(recorded.event, Closed):
            del found[recorded.stream_id]
        elif living:
            found[recorded.stream_id] = (0, 0)
    return found


def test_statements_with_values_are_applied_once_for_each_event(store: lf.EventStore) -> None:
    fill(store, 120)
    projector = store.projector([Totals()])
    projector.catch_up()
    assert rows(store) == expected(store) != {}
    store.append(stream("late"), [Deposited(amount=Decimal(1))])
    projector.catch_up()
    projector.catch_up()
    assert rows(store) == expected(store)
    assert checkpoints(store) == [("Totals", 1, store.head(), next(str(e.id) for e in store.read_all(backwards=True)))]


def test_plain_statements_run_in_order(store: lf.EventStore) -> None:
    fill(store, 120)
    store.projector([Plain()]).catch_up()
    assert rows(store) == expected(store, living=True) != {}


def test_a_handler_that_reads_sees_what_its_page_has_written(store: lf.EventStore) -> None:
    fill(store, 120)
    store.projector([Asking()]).catch_up()
    assert rows(store) == expected(store) != {}


@pytest.mark.parametrize("projection", [Totals(), Asking()], ids=["telling", "asking"])
def test_through_the_async_door_too(store: lf.EventStore, store_url: str, projection: lf.SqlProjection) -> None:
    fill(store, 60)

    async def run() -> None:
        async with lf.connect_async(store_url) as other:
            await other.projector([projection]).catch_up()

    asyncio.run(run())
    assert rows(store) == expected(store) != {}


@pytest.mark.parametrize("projection", [Totals(), Asking()], ids=["telling", "asking"])
@pytest.mark.parametrize("after_commit", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_killed_between_any_two_pages_it_is_exact(
    store: lf.EventStore, projection: lf.SqlProjection, after_commit: bool
) -> None:
    fill(store, 40)
    living = store._log.database
    lives, killed = 1, True
    while killed:
        lives += 1
        lf.types.Projector(store._log, [projection]).reset(projection.name)
        dying: Any = DyingDatabase(living, lives, after_commit=after_commit)
        store._log.database = dying
        try:
            lf.types.Projector(store._log, [projection], page_events=7).catch_up()
            killed = False
        except Killed:
            pass
        finally:
            store._log.database = living
        lf.types.Projector(store._log, [projection], page_events=7).catch_up()
        assert rows(store) == expected(store)
    assert lives > 4


@pytest.mark.parametrize("projection", [Totals(), Asking()], ids=["telling", "asking"])
def test_what_the_database_refuses_stops_it_in_front_of_the_very_event(
    store: lf.EventStore, projection: lf.SqlProjection
) -> None:
    store.append(stream("a"), [Opened(owner="a"), Deposited(amount=Decimal(1)), Deposited(amount=Decimal(2))])
    refused = store.append(stream("b"), [Deposited(amount=Decimal(10**10))])
    store.append(stream("c"), [Deposited(amount=Decimal(3))])
    projector = store.projector([projection])
    for _ in range(2):
        with pytest.raises(lf.ProcessorFailed, match="not_too_rich") as caught:
            projector.catch_up()
        assert caught.value.position == refused.position
        assert rows(store) == {"a": (300, 2)}
        assert checkpoints(store)[0][2] == refused.position - 1


def test_a_handler_that_raises_stops_it_in_front_of_the_very_event(store: lf.EventStore) -> None:
    class Failing(Totals, tables=[totals], category=CATEGORY, on=[Deposited], name="failing"):
        def handle(self, recorded: lf.RecordedEvent) -> Iterator[Any]:
            yield from super().handle(recorded)
            if recorded.event.amount == 2:
                raise LookupError("no two")

    store.append(
        stream("a"), [Deposited(amount=Decimal(1)), Deposited(amount=Decimal(2)), Deposited(amount=Decimal(3))]
    )
    with pytest.raises(lf.ProcessorFailed, match="no two"):
        store.projector([Failing()]).catch_up()
    assert rows(store) == {"a": (100, 1)}


def test_its_read_models_have_views(store: lf.EventStore) -> None:
    class PerDay(lf.SqlProjection, tables=[Day], category=CATEGORY, on=[Deposited]):
        def handle(self, recorded: lf.RecordedEvent) -> Any:
            add = insert(Day.c.day.table).values(day=recorded.occurred_at.date(), total=recorded.event.amount)
            return add.on_conflict_do_update(
                index_elements=[Day.c.day], set_={"total": Day.c.total + add.excluded.total}
            )

    store.append(stream("a"), [Deposited(amount=Decimal("1.25")), Deposited(amount=Decimal("2.50"))])
    store.projector([PerDay()]).catch_up()
    [row] = store.view(Day).find()
    assert row.total == Decimal("3.75")


def test_a_changed_table_or_handler_without_a_new_version_is_refused(store: lf.EventStore) -> None:
    def made(extra: bool) -> lf.SqlProjection:
        table = sa.Table("owner_totals", sa.MetaData(), sa.Column("account", sa.Text, primary_key=True))
        if extra:
            table.append_column(sa.Column("more", sa.Integer))

        class Changing(lf.SqlProjection, tables=[table], category=CATEGORY, on=[Opened]):
            def handle(self, recorded: lf.RecordedEvent) -> Any:
                return sa.insert(table).values(account=recorded.stream_id)

        return Changing()

    store.append(stream("a"), [Opened(owner="a")])
    store.projector([made(False)]).catch_up()
    with pytest.raises(lf.errors.ProcessorOutdated, match="other columns"):
        store.projector([made(True)]).catch_up()


def test_wrong_definitions_are_refused() -> None:
    with pytest.raises(lf.InvalidArgument, match=r"write tables=\[…\]"):

        class NoList(lf.SqlProjection, tables=totals): ...  # type: ignore[arg-type]

    other = sa.Table("other", sa.MetaData(), sa.Column("id", sa.Text, sa.ForeignKey("owner_totals.account")))
    with pytest.raises(lf.InvalidArgument, match="foreign keys"):

        class Foreign(lf.SqlProjection, tables=[other]): ...

    with pytest.raises(lf.InvalidArgument, match="names a schema"):

        class Elsewhere(lf.SqlProjection, tables=[sa.Table("x", sa.MetaData(), schema="public")]): ...

    with pytest.raises(lf.InvalidArgument, match="is taken"):

        class Taken(lf.SqlProjection, tables=[sa.Table("events", sa.MetaData())]): ...

    with pytest.raises(lf.InvalidArgument, match="for keyed projections"):

        class Parking(lf.SqlProjection, tables=[totals], on_failure="park"): ...


def test_what_is_no_statement_stops_it(store: lf.EventStore) -> None:
    class Wrong(lf.SqlProjection, tables=[totals], category=CATEGORY, on=[Opened]):
        def handle(self, recorded: lf.RecordedEvent) -> Any:
            return ["INSERT INTO owner_totals"]

    store.append(stream("a"), [Opened(owner="a")])
    with pytest.raises(lf.ProcessorFailed, match="expected a SQLAlchemy statement"):
        store.projector([Wrong()]).catch_up()
    with pytest.raises(lf.InvalidArgument, match=r"give the projector an instance, Wrong\(\)"):
        store.projector([Wrong])  # type: ignore[list-item]
