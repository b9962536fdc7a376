"""What a processor is to the machinery that runs it: a name, a query, and something that takes pages of events.

Projections are the first kind. The machinery moves checkpoints, leases partitions, retries, parks, pauses and reports;
what a page leads to is the kind's own business, behind `PageHandler`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from leftfold.database.protocol import Connection
from leftfold.errors import ProcessorFailed
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.options import OnFailure

Owns = Callable[[Sequence[Any]], bool] | None
"""Whether the values of a key belong to a partition; None: all do."""


class Change(Protocol):
    """What a page comes to: its first ``events`` events, and the ``failure`` of the next one."""

    @property
    def events(self) -> int:
        """How many events are applied, from the beginning of the page."""

    @property
    def failure(self) -> ProcessorFailed | None:
        """Why the next event is not applied; None if the whole page is."""


class PageHandler(Protocol):
    """Takes the pages of one generation, for the keys of one partition. One applier uses it at a time."""

    async def prepare(self, events: Sequence[RecordedEvent]) -> Any:
        """The `Change` that a page makes. Nothing is written yet."""

    async def write(self, connection: Connection, change: Any) -> None:
        """Write it, in the transaction that has moved the checkpoint. `ProcessorFailed`: it cannot be written."""

    def committed(self, change: Any) -> None:
        """That transaction has committed."""

    def forget(self) -> None:
        """Drop what is remembered from former pages: another worker may have applied pages since."""


class Processor(Protocol):
    """What follows the log with a checkpoint."""

    @property
    def name(self) -> str:
        """Its name, by which the database knows it."""

    @property
    def version(self) -> int:
        """The version of its code."""

    @property
    def on_failure(self) -> OnFailure:
        """What a worker does when an event cannot be applied."""

    @property
    def can_be_split(self) -> bool:
        """Whether several workers may run it at a time, each for some buckets of keys."""

    @property
    def is_by_stream(self) -> bool:
        """Whether an event concerns the key that is its stream's id, and no other."""

    def query(self, registry: Registry) -> Query:
        """The events that it follows."""


class Installation(Protocol):
    """A processor in one database: its generations there, and whether they fit its code."""

    @property
    def processor(self) -> Processor:
        """The processor that is installed."""

    async def ready(self) -> Generation:
        """The live generation, begun if there is none; `ProcessorOutdated` if it does not fit the code."""

    def fits(self, generation: Generation) -> bool:
        """Whether it is a shadow that this very code may bring up to date."""

    def handler(self, generation: Generation, owns: Owns) -> PageHandler:
        """What takes a generation's pages, for the keys of one partition."""

    def remedy(self, role: Role) -> str:
        """What to do with a generation in that role if the log has lost events that were applied: whole sentences."""
