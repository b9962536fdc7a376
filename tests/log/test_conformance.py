"""Both back ends, through both doors, keep every promise of the log."""

from __future__ import annotations

from functools import partial

import pytest

from leftfold.testing.conformance import (
    AppendChecks,
    ConditionChecks,
    Connect,
    DoorKind,
    FollowChecks,
    LogConformance,
    ReadChecks,
    open_door,
    registry,
)


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
