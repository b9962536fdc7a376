"""An app: where its store is and what it is made of, in one object that the command line loads as ``module:app``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leftfold.errors import InvalidArgument
from leftfold.events import Registry, default_registry
from leftfold.front.async_store import AsyncEventStore
from leftfold.front.connect import connected, connecting
from leftfold.front.store import EventStore
from leftfold.read.projection.keyed import Projection
from leftfold.read.projection.kinds import AnyProjection, by_name
from leftfold.schema import Policy


class App:
    """``app = lf.App("postgresql://…", projections=[account_summary])``. Opens nothing yet.

    ``leftfold run bank:app`` runs its processors, any number of times at once; ``leftfold status bank:app`` shows where
    they stand. The other keywords are those of `connect`.
    """

    def __init__(
        self,
        url: str,
        *,
        projections: Iterable[AnyProjection] = (),
        migrate: Policy = "create",
        registry: Registry = default_registry,
        replica: str | None = None,
        read_models: str | None = None,
        inline: Iterable[Projection[Any]] = (),
    ) -> None:
        if not isinstance(url, str):
            raise InvalidArgument(f"an app's url is a str, not {url!r}")
        self.url = url
        self.projections = tuple(by_name(projections).values())
        self.migrate: Policy = migrate
        self.registry = registry
        self.replica = replica
        self.read_models = read_models
        self.inline = tuple(inline)

    def connect(self) -> EventStore:
        """Open its store; see `leftfold.connect`."""
        return connected(
            self.url, self.migrate, self.registry, self.replica, self.read_models, self.inline, self.projections
        )

    def connect_async(self) -> AsyncEventStore:
        """Its store for asyncio; see `leftfold.connect_async`."""
        return connecting(
            self.url, self.migrate, self.registry, self.replica, self.read_models, self.inline, self.projections
        )

    def __repr__(self) -> str:
        names = ", ".join(projection.name for projection in self.projections) or "no processors"
        return f"<app of {names}>"
