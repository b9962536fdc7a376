"""The shop of the page about transactions: its database, and what is there after a recipe has run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

import leftfold as lf
from tests.joining.page import on_postgresql, on_sqlite, tables


@dataclass
class Shop:
    """A store and the tables of the page, in the folder where the recipes run or on a server."""

    url: str
    store: lf.EventStore

    def stock(self, **articles: int) -> None:
        with self.store.transaction() as tx:
            for article, on_hand in articles.items():
                tx.execute(f"INSERT INTO stock VALUES ('{article}', {on_hand})")

    def run(self, code: str) -> dict[str, Any]:
        """The code as a script of its own; what it has defined."""
        sqlite = self.url.startswith("sqlite")
        defined: dict[str, Any] = {"__name__": "recipe"}
        placed = on_sqlite(code) if sqlite else on_postgresql(code, self.url)
        try:
            exec(compile(placed, "recipe", "exec", dont_inherit=True), defined)
        finally:
            dispose_engines(defined)
        return defined

    def found(self, number: int = 7) -> tuple[list[str], int]:
        """The types of an order's events, and how many rows it has."""
        types = [one.type for one in self.store.read(f"Order-{number}")]
        with self.store.transaction() as tx:
            [(rows,)] = tx.execute(f"SELECT count(*) FROM orders WHERE number = {number}")
        return types, int(rows)

    def on_hand(self, article: str = "lamp") -> int:
        with self.store.transaction() as tx:
            [(on_hand,)] = tx.execute(f"SELECT on_hand FROM stock WHERE article = '{article}'")
        return int(on_hand)


@contextmanager
def opened(url: str) -> Iterator[Shop]:
    """A new shop, with nothing on stock."""
    with lf.connect(url) as store:
        with store.transaction() as tx:
            for statement in tables():
                tx.execute(statement)
        yield Shop(url, store)


def dispose_engines(defined: dict[str, Any]) -> None:
    """A script ends and its engines with it; here their connections would be found unclosed, later and elsewhere."""
    for one in defined.values():
        if isinstance(one, sa.Engine):
            one.dispose()
        elif isinstance(one, AsyncEngine):
            asyncio.run(one.dispose())
