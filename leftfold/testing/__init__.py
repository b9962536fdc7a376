"""What a user tests with: given/when/then, the back-end conformance suite and a throwaway PostgreSQL.

The suite and the server are imported from their own modules, because they need pytest and a wheel.
"""

from leftfold.testing.given import GivenAggregate, GivenDecider, given
from leftfold.testing.given_events import GivenEvents, InStream, ProjectedRows, in_stream
from leftfold.testing.inside import log_of
from leftfold.testing.outcome import Outcome

__all__ = [
    "GivenAggregate",
    "GivenDecider",
    "GivenEvents",
    "InStream",
    "Outcome",
    "ProjectedRows",
    "given",
    "in_stream",
    "log_of",
]
