"""An app: where its store is and what it is made of, in one object that the command line loads as ``module:app``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leftfold.errors import InvalidArgument
from leftfold.events import Registry, default_registry
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.connect import connect, connect_async
from leftfold.front.store import EventStore
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection
from leftfold.write.aggregate import Aggregate
from leftfold.write.decider import Decider


class App:
    """``app = lf.App("postgresql://…", aggregates=[BankAccount], projections=[account_summary])``. Opens nothing yet.

    ``leftfold run bank:app`` runs its projections, any number of times at once; ``leftfold projections … bank:app``
    looks at them and acts on them. The other keywords are those of `connect`.
    """

    def __init__(
        self,
        url: str,
        *,
        aggregates: Iterable[type[Aggregate] | Decider[object, object, object]] = (),
        projections: Iterable[AnyProjection] = (),
        registry: Registry = default_registry,
        replica: str | None = None,
        read_models: str | None = None,
        inline: Iterable[Projection[Any]] = (),
    ) -> None:
        if not isinstance(url, str):
            raise InvalidArgument(f"an app's url is a str, not {url!r}")
        self.url = url
        self.aggregates = tuple(aggregates)
        self.projections = tuple(projections)
        self.registry = registry
        self.replica = replica
        self.read_models = read_models
        self.inline = tuple(inline)

    def connect(self) -> EventStore:
        """Open its store; see `leftfold.connect`."""
        return connect(
            self.url, registry=self.registry, replica=self.replica, read_models=self.read_models, inline=self.inline
        )

    def connect_async(self) -> AsyncEventStore:
        """Its store for asyncio; see `leftfold.connect_async`."""
        return connect_async(
            self.url, registry=self.registry, replica=self.replica, read_models=self.read_models, inline=self.inline
        )

    def __repr__(self) -> str:
        return f"<app of {len(self.aggregates)} aggregates and {len(self.projections)} projections>"
