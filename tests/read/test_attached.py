"""What people attach to live tables: indexes and grants go over to the new ones, and views are not left behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.read.rebuild.user_indexes import index_of
from tests.read.bank import balances, fill, folded, run_sql, stored
from tests.read.test_sql_projection import Totals
from tests.read.versions import Statement, doubled, statements


@pytest.fixture
def live(store_url: str) -> Iterator[lf.EventStore]:
    with lf.connect(store_url) as store:
        fill(store, 30)
        store.projector([balances]).catch_up()
        yield store


def named(store: lf.EventStore, name: str) -> str:
    schema = store._log.database.schema
    return f"{schema}.{name}" if schema else name


def indexes(store: lf.EventStore, table: str) -> list[str]:
    """What the indexes of a table are of, but for those of its keys."""
    if store._log.database.schema is None:
        rows = run_sql(
            store._log.database,
            f"SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '{table}' AND sql IS NOT NULL",
        )
        return sorted(sql[sql.index("(") :] for (sql,) in rows)
    rows = run_sql(
        store._log.database,
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index "
        f"WHERE indrelid = '{named(store, table)}'::regclass AND NOT indisprimary",
    )
    return sorted(sql[sql.index("(") :] for (sql,) in rows)


def test_indexes_of_ones_own_are_made_for_the_new_rows_too(live: lf.EventStore) -> None:
    table = named(live, "balance")
    run_sql(live._log.database, f"CREATE INDEX by_owner ON {table} (owner)")
    run_sql(live._log.database, f"CREATE UNIQUE INDEX one_each ON {table} (owner, account_id) WHERE owner <> ''")
    before = indexes(live, "balance")
    assert len(before) == 2
    for _ in range(3):
        live.projector([doubled]).rebuild("balances")
        assert indexes(live, "balance") == before
    assert stored(live) == folded(live, doubled)


def test_an_index_of_a_field_that_is_gone_is_left_out_and_told(
    live: lf.EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    run_sql(live._log.database, f"CREATE INDEX by_deposits ON {named(live, 'balance')} (deposits)")
    run_sql(live._log.database, f"CREATE INDEX by_owner ON {named(live, 'balance')} (owner)")
    with caplog.at_level(logging.WARNING, "leftfold"):
        live.projector([statements]).rebuild("balances")
    assert indexes(live, "balance") == ["(owner)"]
    assert "balance__next does not get the index" in caplog.text
    assert stored(live, Statement) == folded(live, statements)


def test_what_sqlite_keeps_of_an_index_is_understood() -> None:
    assert index_of('CREATE INDEX a ON "balance" (owner)', "balance") == (False, "(owner)")
    assert index_of("CREATE UNIQUE INDEX 'a b' on balance(owner,\n lower(x))", "balance") == (
        True,
        "(owner,\n lower(x))",
    )
    assert index_of("CREATE INDEX a ON other (owner)", "balance") is None


def test_whoever_may_read_the_old_rows_may_read_the_new_ones(postgres_url: str) -> None:
    with lf.connect(postgres_url) as store:
        fill(store, 10)
        store.projector([balances]).catch_up()
        table, schema = named(store, "balance"), store._log.database.schema
        run_sql(store._log.database, f'CREATE ROLE "reader of {schema}"')
        run_sql(store._log.database, f'GRANT SELECT ON {table} TO "reader of {schema}" WITH GRANT OPTION')
        run_sql(store._log.database, f"GRANT SELECT, INSERT ON {table} TO PUBLIC")
        granted = (
            "SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants "
            f"WHERE table_schema = '{schema}' AND table_name = 'balance' AND grantee <> current_user ORDER BY 1, 2"
        )
        before = run_sql(store._log.database, granted)
        assert len(before) == 3
        store.projector([doubled]).rebuild("balances")
        assert run_sql(store._log.database, granted) == before
        run_sql(store._log.database, f'DROP OWNED BY "reader of {schema}"')
        run_sql(store._log.database, f'DROP ROLE "reader of {schema}"')


def test_a_view_on_postgresql_would_be_left_behind_and_is_named(postgres_url: str) -> None:
    with lf.connect(postgres_url) as store:
        fill(store, 10)
        store.projector([balances]).catch_up()
        run_sql(store._log.database, f"CREATE VIEW {named(store, 'rich')} AS SELECT * FROM {named(store, 'balance')}")
        with pytest.raises(lf.NotSupported, match=r"balance is read by views \(.*rich\).*drop them before"):
            store.projector([doubled]).rebuild("balances")
        run_sql(store._log.database, f"DROP VIEW {named(store, 'rich')}")
        store.projector([doubled]).rebuild("balances", swap=False)
        run_sql(store._log.database, f"CREATE VIEW {named(store, 'rich')} AS SELECT * FROM {named(store, 'balance')}")
        with pytest.raises(lf.NotSupported, match="read by views"):
            store.projector([doubled]).rebuild("balances")
        assert stored(store) == folded(store)


def test_former_rows_that_a_view_reads_are_not_dropped(postgres_url: str) -> None:
    with lf.connect(postgres_url) as store:
        fill(store, 10)
        store.projector([balances]).catch_up()
        store.projector([doubled]).rebuild("balances")
        former, view = named(store, "balance__former"), named(store, "old")
        run_sql(store._log.database, f"CREATE VIEW {view} AS SELECT * FROM {former}")
        with pytest.raises(lf.NotSupported, match=r"balance__former cannot be dropped before.*old depends"):
            store.projector([doubled]).drop_former("balances")


def test_a_view_on_sqlite_goes_with_the_name(sqlite_url: str) -> None:
    with lf.connect(sqlite_url) as store:
        fill(store, 30)
        store.projector([balances]).catch_up()
        run_sql(store._log.database, "CREATE VIEW deposits AS SELECT account_id, deposits FROM balance")
        amounts = "CREATE VIEW amounts AS SELECT sum(amount) AS total FROM balance"
        run_sql(store._log.database, amounts)
        [(before,)] = run_sql(store._log.database, "SELECT total FROM amounts")
        store.projector([doubled]).rebuild("balances")
        assert run_sql(store._log.database, "SELECT total FROM amounts") == [(2 * before,)]
        store.projector([doubled]).rollback("balances")
        assert run_sql(store._log.database, "SELECT total FROM amounts") == [(before,)]


tallies = sa.Table(
    "tallies",
    sa.MetaData(),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("account", "number", name="tallies_key"),
    sa.UniqueConstraint("number", "account", name="tallies_once"),
    sa.Index("tallies_by_number", "number"),
)


class Tallies(lf.SqlProjection, tables=[tallies], category="ReadAccount"):
    def handle(self, recorded: lf.RecordedEvent) -> list[Any]:
        return [sa.insert(tallies).values(account=recorded.stream_id, number=recorded.version)]


def rows_of(store: lf.EventStore) -> list[tuple[Any, ...]]:
    return run_sql(store._log.database, f"SELECT account, number FROM {named(store, 'tallies')} ORDER BY 1, 2")


def test_tables_of_ones_own_keep_their_indexes_and_constraints_through_rebuilds(store_url: str) -> None:
    with lf.connect(store_url) as store:
        fill(store, 40)
        projector = store.projector([Tallies(), Totals()])
        projector.catch_up()
        before, of = rows_of(store), indexes(store, "tallies")
        for _ in range(3):
            done = projector.rebuild("Tallies", parts=8)
            assert done.swapped
            assert rows_of(store) == before
            assert indexes(store, "tallies") == of
            with pytest.raises(Exception, match=r"(?i)unique"):
                run_sql(store._log.database, f"INSERT INTO {named(store, 'tallies')} VALUES ('{before[0][0]}', 1)")
        projector.reset("Tallies")
        projector.catch_up()
        assert rows_of(store) == before
        projector.rollback("Tallies")
        assert rows_of(store) == before
        projector.rebuild("Tallies")
        projector.drop_former("Tallies")
        projector.reset("Tallies")
        projector.catch_up()
        assert rows_of(store) == before
