"""Every recipe of docs/transactions.md, as it stands there: with stock it leaves event and row, without it neither."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa

import leftfold as lf
from leftfold.ops.doctor.holders import Holder
from leftfold.testing.proxy import CuttingProxy
from tests.joining.django_project import run_in_django
from tests.joining.page import PAGE, blocks, languages, recipe
from tests.joining.shop import Shop, opened
from tests.joining.waiting import until

BOTH, POSTGRESQL, SQLITE = ("sqlite", "postgresql"), ("postgresql",), ("sqlite",)
SCRIPTS = {
    "transaction": BOTH,
    "async-transaction": BOTH,
    "psycopg": POSTGRESQL,
    "async-psycopg": POSTGRESQL,
    "sqlite3": SQLITE,
    "aiosqlite": SQLITE,
    "sqlalchemy-connection": BOTH,
    "sqlalchemy-session": BOTH,
    "sqlalchemy-async-connection": BOTH,
    "sqlalchemy-async-session": BOTH,
    "own-writes": BOTH,
    "savepoint": BOTH,
    "again": BOTH,
}
IN_DJANGO = {"django", "django-async"}
SOLD_OUT = (sqlite3.IntegrityError, psycopg.errors.CheckViolation, sa.exc.IntegrityError)


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        with opened("sqlite:///shop.db") as shop:
            yield shop
    else:
        url = request.getfixturevalue("postgres_database")
        with swept_afterwards(url), opened(url) as shop:
            yield shop


@contextmanager
def swept_afterwards(url: str) -> Iterator[None]:
    """The recipes use a database as it is, its default schema and ours; for each test it is empty."""
    try:
        yield
    finally:
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE orders, stock")
            connection.execute("DROP SCHEMA leftfold CASCADE")


on_both = pytest.mark.parametrize("shop", BOTH, indirect=True)
on_postgresql = pytest.mark.parametrize("shop", POSTGRESQL, indirect=True)
each_script = pytest.mark.parametrize(
    ("name", "shop"), [(name, place) for name, places in SCRIPTS.items() for place in places], indirect=["shop"]
)


def untested(page: str) -> set[str]:
    return set(blocks(page, "python")) - {f"recipe: {name}" for name in {*SCRIPTS, *IN_DJANGO}}


def test_there_is_no_code_on_the_page_that_is_not_run() -> None:
    assert untested(PAGE) == set()
    assert languages(PAGE) == {"python", "sql", "text"}
    assert PAGE.count("\n```") == 2 * sum(len(blocks(PAGE, language)) for language in languages(PAGE))


@pytest.mark.parametrize("added", ["<!-- recipe: other -->\n```python\nprint()\n```\n", "```python\nprint()\n```\n"])
def test_a_block_that_is_added_without_a_test_would_be_noticed(added: str) -> None:
    assert len(untested(f"{PAGE}\n{added}")) == 1


@each_script
def test_with_stock_event_and_row_are_there(shop: Shop, name: str) -> None:
    shop.stock(lamp=3, gift=1)
    shop.run(recipe(name))
    assert shop.found() == (["OrderPlaced"], 1)
    assert shop.on_hand() == 2


@pytest.mark.exhaustive
@each_script
def test_without_stock_there_is_neither_event_nor_row(shop: Shop, name: str) -> None:
    shop.stock(lamp=0, gift=1)
    with pytest.raises(SOLD_OUT):
        shop.run(recipe(name))
    assert shop.found() == ([], 0)
    assert (shop.on_hand(), shop.on_hand("gift")) == (0, 1)


@on_both
def test_in_django(shop: Shop, tmp_path: Path) -> None:
    """In a project of its own, in a process of its own: from a function, and from an async view."""
    url = shop.url if shop.url.startswith("postgresql") else f"sqlite:///{tmp_path}/shop.db"
    shop.stock(lamp=2)
    said = run_in_django(tmp_path, url, orders=recipe("django"), views=recipe("django-async"))
    assert said == "placed 7\nplaced 8\nsold out 9\nsold out 10\n"
    assert [shop.found(number) for number in (7, 8, 9, 10)] == [(["OrderPlaced"], 1)] * 2 + [([], 0)] * 2
    assert shop.on_hand() == 0


@on_both
def test_a_gift_that_was_given_away_stays_on_stock_and_the_order_goes_without(shop: Shop) -> None:
    shop.stock(lamp=3, gift=1)
    place_order = shop.run(recipe("savepoint"))["place_order"]
    assert shop.on_hand("gift") == 0
    shop.stock(**{"other gift": 1})
    with shop.store.transaction() as tx:
        tx.execute("UPDATE stock SET on_hand = 1 WHERE article = 'gift'")
    place_order(shop.store, 8, "lamp")
    assert shop.found(8) == (["OrderPlaced"], 1)
    assert (shop.on_hand("gift"), len(list(shop.store.read("Gift-spring")))) == (1, 1)


@on_postgresql
def test_an_order_is_placed_once_wherever_the_connection_is_cut(shop: Shop) -> None:
    shop.stock(lamp=100)
    place_order = shop.run(recipe("again"))["place_order"]
    server = urlsplit(shop.url)
    assert server.hostname
    assert server.port
    with CuttingProxy(server.hostname, server.port) as proxy:
        through = server._replace(netloc=f"{server.username}@127.0.0.1:{proxy.port}").geturl()
        with lf.connect(through) as store:
            for number in range(10, 100):  # until all replies are shorter than that; the one to COMMIT has 18 bytes
                cuts = proxy.cuts
                proxy.cut_next("reply", after=16 * (number - 10))
                place_order(store, number, "lamp")
                proxy.heal()
                assert shop.found(number) == (["OrderPlaced"], 1)
                if proxy.cuts == cuts:
                    break
    assert 10 < cuts == number - 10
    assert shop.on_hand() == 100 - 1 - (cuts + 1)


@on_postgresql
def test_an_order_is_placed_again_after_a_deadlock(shop: Shop) -> None:
    """The other one locks the same two things in the other order, and leaves it to the order to notice."""
    shop.stock(lamp=3)
    place_order = shop.run(recipe("again"))["place_order"]
    with psycopg.connect(shop.url) as other, ThreadPoolExecutor(2) as threads:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("UPDATE stock SET on_hand = on_hand WHERE article = 'lamp'")
        placing = threads.submit(place_order, shop.store, 8, "lamp")
        until(lambda: waiting_for_locks(shop) == 1)
        tx = shop.store.using(other)
        tx.append("Order-8", [lf.RawEvent("Seen", b"{}")])
        other.rollback()
        placing.result(30)
    assert shop.found(8) == (["OrderPlaced"], 1)
    assert shop.on_hand() == 1


def waiting_for_locks(shop: Shop) -> int:
    with shop.store.transaction() as tx:
        [(count,)] = tx.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return int(count)


def test_the_doctor_says_what_the_page_shows() -> None:
    holder = Holder(4711, None, 125.0, "app", "", "idle in transaction")
    assert str(holder) in PAGE
    assert holder.remedy in PAGE
