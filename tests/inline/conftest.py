"""Stores with inline projections, through either door, and one beside them that only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

import leftfold as lf
from leftfold.testing.conformance.door import Door, DoorKind, open_door
from leftfold.testing.conformance.facts import registry
from tests.inline.models import ALL

Open = Callable[..., AbstractAsyncContextManager[Door]]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest, store_url: str) -> Open:
    """Opens a door to one and the same store; other projections with ``inline=``."""
    kind: DoorKind = request.param
    return partial(open_door, store_url, kind, registry=registry, inline=ALL)


@pytest.fixture
def looking(store_url: str) -> Iterator[lf.EventStore]:
    """A store that only looks."""
    with lf.connect(store_url, registry=registry) as store:
        yield store
