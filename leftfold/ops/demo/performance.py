"""The performance: event sourcing at work in eight short acts, on a real database. ``leftfold demo`` runs it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from rich.console import Console

import leftfold as lf
from leftfold.database.url import parse_url
from leftfold.ops.demo.account import BankAccount
from leftfold.ops.demo.acts import ACTS
from leftfold.ops.demo.screen import Screen
from leftfold.ops.demo.stage import Stage

ON_YOUR_DATABASE = "The same on your own database: leftfold demo --url postgresql://user@host/database"
WRITE_YOUR_OWN = "Now write your own: the first example in README.md is a bank in one file."


def run_demo(url: str | None, console: Console) -> None:
    """Run it at ``url``; without one, on an SQLite file in a temporary directory that is removed afterwards."""
    if url is not None:
        perform(url, console, suffix=f"-{uuid4().hex[:6]}")
        return
    with tempfile.TemporaryDirectory(prefix="leftfold-demo-") as folder:
        perform(f"sqlite:///{Path(folder) / 'bank.db'}", console, suffix="")


def perform(url: str, console: Console, suffix: str) -> None:
    started = perf_counter()
    screen = Screen(console)
    screen.title("leftfold: a bank that runs on events", str(parse_url(url)))
    with lf.connect(url) as store:
        stage = Stage(store, store.repository(BankAccount), screen, suffix, store.head())
        for act in ACTS:
            act(stage)
    stream = f"BankAccount-{stage.id('alice')}"
    more = f"The events are still there: leftfold show URL {stream}" if suffix else ON_YOUR_DATABASE
    took = f"{len(ACTS)} acts on a real database, in {perf_counter() - started:.1f} seconds."
    screen.end("That was it", took, more, WRITE_YOUR_OWN)
