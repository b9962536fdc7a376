"""The back-end conformance suite: what every log promises, checked line by line, through either door.

Subclass it in a test module and give a fixture ``connect`` that returns a function; each call of that function opens a
door to the same fresh store::

    class TestOurStore(LogConformance):
        @pytest.fixture(params=["sync", "async"])
        def connect(self, request, tmp_path):
            return partial(open_door, f"sqlite:///{tmp_path}/log.db", request.param, registry=registry)
"""

from leftfold.testing.conformance.appends import AppendChecks
from leftfold.testing.conformance.conditions import ConditionChecks
from leftfold.testing.conformance.decisions import DecisionRaceChecks
from leftfold.testing.conformance.door import Connect, Door, DoorKind, open_door
from leftfold.testing.conformance.facts import registry
from leftfold.testing.conformance.followers import FollowChecks
from leftfold.testing.conformance.races import RaceChecks
from leftfold.testing.conformance.reads import ReadChecks

__all__ = [
    "AppendChecks",
    "ConditionChecks",
    "Connect",
    "DecisionRaceChecks",
    "Door",
    "DoorKind",
    "FollowChecks",
    "LogConformance",
    "RaceChecks",
    "ReadChecks",
    "open_door",
    "registry",
]


class LogConformance(AppendChecks, ConditionChecks, ReadChecks, FollowChecks, RaceChecks, DecisionRaceChecks):
    """Every check."""
