"""The command side: aggregates and deciders, their repositories, and snapshots."""

from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider
from leftfold.write.decider_repository import AsyncDeciderRepository
from leftfold.write.repository import AsyncRepository
from leftfold.write.retry import DEFAULT_ATTEMPTS

__all__ = ["DEFAULT_ATTEMPTS", "Aggregate", "AsyncDeciderRepository", "AsyncRepository", "Decider"]
