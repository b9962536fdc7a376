"""Both back ends, through both doors, keep every promise of the log."""

from __future__ import annotations

from functools import partial

import pytest

from leftfold.testing.conformance import LogConformance
from leftfold.testing.conformance.appends import AppendChecks
from leftfold.testing.conformance.conditions import ConditionChecks
from leftfold.testing.conformance.door import Connect, DoorKind, open_door
from leftfold.testing.conformance.facts import registry
from leftfold.testing.conformance.followers import FollowChecks
from leftfold.testing.conformance.reads import ReadChecks


class TestConformance(LogConformance):
    @pytest.fixture(params=["sync", "async"])
    def connect(self, request: pytest.FixtureRequest, store_url: str) -> Connect:
        kind: DoorKind = request.param
        return partial(open_door, store_url, kind, registry=registry)


class TestConformanceInMemory(AppendChecks, ConditionChecks, ReadChecks, FollowChecks):
    """A store in memory has one connection only, so there is nobody to race."""

    @pytest.fixture(params=["sync", "async"])
    def connect(self, request: pytest.FixtureRequest) -> Connect:
        kind: DoorKind = request.param
        return partial(open_door, "sqlite://", kind, registry=registry)
