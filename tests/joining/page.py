"""The page about transactions: its blocks of code by their names, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "transactions.md").read_text("utf-8")

_FENCED = re.compile(r"^(?:<!-- (?P<name>[a-z0-9: -]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)


def blocks(page: str, language: str) -> dict[str, str]:
    """The blocks in a language, each under the name in the comment before it; one without a name is under its code."""
    return {one["name"] or one["code"]: one["code"] for one in _FENCED.finditer(page) if one["language"] == language}


def languages(page: str) -> set[str]:
    return {one["language"] for one in _FENCED.finditer(page)}


def recipe(name: str) -> str:
    return blocks(PAGE, "python")[f"recipe: {name}"]


def tables() -> list[str]:
    """The statements that make the reader's tables."""
    return [one for one in blocks(PAGE, "sql")["tables"].split(";") if one.strip()]


def on_sqlite(code: str) -> str:
    """The differences that the page tells: the URL, and ``?`` for ``%s``."""
    driver = "sqlite+aiosqlite" if "asyncio" in code else "sqlite"
    code = code.replace("postgresql+psycopg://localhost/shop", f"{driver}:///shop.db")
    return code.replace("postgresql://localhost/shop", "sqlite:///shop.db").replace("%s", "?")


def on_postgresql(code: str, url: str) -> str:
    """At the place where this test's database is."""
    code = code.replace("postgresql+psycopg://localhost/shop", url.replace("postgresql:", "postgresql+psycopg:", 1))
    return code.replace("postgresql://localhost/shop", url)
