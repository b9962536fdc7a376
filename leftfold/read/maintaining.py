"""What a projection of any kind does with a page of events: prepare its changes, then write them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from leftfold.database.protocol import Connection, Database
from leftfold.errors import ProjectionFailed
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.log import Log
from leftfold.read.failing import OnFailure
from leftfold.read.generations import Blueprint, Generation, Role

Owns = Callable[[Sequence[Any]], bool] | None
"""Whether the values of a key are a partition's business; None: all are."""


class Change(Protocol):
    """What a page comes to. ``events`` of it are in, and ``failure`` says what stopped it in front of the next."""

    @property
    def events(self) -> int:
        """How many events from the beginning of the page."""

    @property
    def failure(self) -> ProjectionFailed | None:
        """Why there are no more."""


class Maintainer(Protocol):
    """Applies pages to the tables of one generation, for the keys of one partition. One run uses it at a time."""

    async def prepare(self, events: Sequence[RecordedEvent]) -> Any:
        """The `Change` that a page makes; nothing is written yet, and the tables are only read."""

    async def write(self, connection: Connection, change: Any) -> None:
        """Write it, in the transaction that has moved the checkpoint. `ProjectionFailed`: it cannot be written."""

    def settle(self, change: Any) -> None:
        """It is committed."""

    def forget(self) -> None:
        """What is remembered of the tables may not be so any more."""


class ModelTable(Protocol):
    """One table of a read model, for making and checking it."""

    @property
    def name(self) -> str:
        """As SQL says it."""

    def expected(self) -> dict[str, str]:
        """The columns that the model asks for."""

    async def existing(self, connection: Connection) -> dict[str, str]:
        """The columns that the database has; none if there is no table."""

    async def check(self, connection: Connection) -> bool:
        """Whether it is there; `SchemaOutdated` if its columns are not the model's."""

    async def create(self, connection: Connection) -> None:
        """Create it."""

    async def drop(self, connection: Connection) -> None:
        """Drop it with its rows, if it is there."""

    async def is_empty(self, connection: Connection) -> bool:
        """Whether there is no row."""


class AnyProjection(Protocol):
    """A projection, of either kind."""

    @property
    def name(self) -> str:
        """Which one it is."""

    @property
    def version(self) -> int:
        """Of its code."""

    @property
    def on_failure(self) -> OnFailure:
        """What a worker does when it raises."""

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of its tables when it is live."""

    @property
    def can_be_parted(self) -> bool:
        """Whether several may work at it, each for some keys."""

    @property
    def is_by_stream(self) -> bool:
        """Whether an event concerns the key that is its stream's id, and no other."""

    def query(self, registry: Registry) -> Query:
        """The events that it is about."""

    def blueprint(self, registry: Registry) -> Blueprint:
        """What the code says of its rows."""

    def tables_in(self, database: Database, role: Role) -> Sequence[ModelTable]:
        """The tables of a generation in that role."""

    def maintainer(
        self, log: Log, database: Database, generation: Generation, owns: Owns, cached_rows: int
    ) -> Maintainer:
        """What applies events to a generation's tables."""
