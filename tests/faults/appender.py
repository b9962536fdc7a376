"""A process that appends until it is killed, and tells what it is about to do and what it knows is done.

It prints ``begin N ID ID ID`` before and ``done N`` after each append of
three events; a line is one write, so that a kill never tears it.
"""

from __future__ import annotations

import os

import leftfold as lf
from leftfold.testing.conformance.facts import counted, registry
from tests.inline.models import ALL


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def append_for_ever(url: str, stream: str, inline: bool = False) -> None:
    with lf.connect(url, registry=registry, migrate="never", inline=ALL if inline else []) as store:
        number = sum(1 for _ in store.read(stream)) // 3
        while True:
            facts = counted(3, 3 * number + 1)
            tell(f"begin {number} " + " ".join(str(fact.id) for fact in facts))
            store.append(stream, facts, expected=3 * number)
            tell(f"done {number}")
            number += 1
