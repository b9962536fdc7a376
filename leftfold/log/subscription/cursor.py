"""Where a follower stands, and whether that is still the same log.

Each look at the horizon verifies, in the same snapshot, the event under the follower's position, and brings the id of
the event at the horizon, where it will stand next; each page is read only while the event before it stands. So what a
follower sees is one history, however the database under it is replaced, or it stops with `EpochChanged`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from uuid import UUID

from leftfold.checkpoint import Checkpoint, EpochChanged
from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent
from leftfold.log.buckets import Buckets
from leftfold.log.contract import Log, check_range
from leftfold.log.epochs import Anchor, Divergence, LogState, epochs_of, parting
from leftfold.log.select import Range
from leftfold.log.subscription.page_size import PageSize


class Cursor:
    """One follower's place in a log. What it does not know yet (store, epoch, id) it takes from its first survey.

    ``inside`` tells that the place is kept in the store itself, and so goes with it when a copy becomes another store.
    """

    def __init__(
        self,
        log: Log,
        position: int,
        *,
        event_id: UUID | None = None,
        epoch: int | None = None,
        store: UUID | None = None,
        inside: bool = False,
        who: str = "a subscription",
        remedy: str | None = None,
    ) -> None:
        check_range(position, None, None)
        self.position = position
        self.event_id = event_id
        self.epoch = epoch
        self.store = store
        self._log = log
        self._inside = inside
        self._who = who
        self._remedy = remedy
        self._surveyed: LogState | None = None

    @staticmethod
    def behind(log: Log, after: int | Checkpoint) -> Cursor:
        """At a bare position, which is believed, or at a checkpoint, which is verified."""
        if isinstance(after, Checkpoint):
            return Cursor(log, after.position, event_id=after.event_id, epoch=after.epoch, store=after.store)
        if not isinstance(after, int):
            raise InvalidArgument(
                f"after is a position or a lf.Checkpoint (from text: Checkpoint.parse), not {after!r}"
            )
        return Cursor(log, after)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where it stands; None before anything is known of the store."""
        if self.store is None or self.epoch is None:
            return None
        return Checkpoint(self.store, self.epoch, self.position, self.event_id)

    async def head(self) -> int:
        """The horizon, of the log that was followed so far; `EpochChanged` if it is another."""
        survey = await self._log.survey(self.position)
        if not self._is_same(survey):
            await self._judge(survey)
        self.store, self.epoch = survey.store, survey.epoch
        self.event_id = self.event_id or survey.found_id
        self._surveyed = survey
        return survey.head

    def read(self, query: Query, size: PageSize) -> AsyncIterator[list[RecordedEvent]]:
        """Pages of what matches, from where it stands to the horizon that `head` has told."""
        return self._log.read_settled(query, self.position, self._seen.head, size, ground=self.ground)

    async def page(self, query: Query, limit: int, buckets: Buckets | None = None) -> list[RecordedEvent]:
        """Up to ``limit`` events of what matches, from where it stands to the horizon that `head` has told.

        All but the last may be left out if their streams' ids are not in ``buckets``.
        """
        part = Range(self.position, self.horizon, limit, ground=self.ground, buckets=buckets)
        return await self._log.read_log_page(query, part)

    def stop_at(self, position: int, event_id: UUID | None) -> None:
        """Take that, where another stands on the event of that id, for the horizon, if it is before it."""
        if position < self._seen.head:
            self._surveyed = replace(self._seen, head=position, head_id=event_id)

    def copy(self) -> Cursor:
        """Another one at the same place, to go on by itself."""
        return copy(self)

    @property
    def horizon(self) -> int:
        """What `head` has told last."""
        return self._seen.head

    @property
    def ground(self) -> Anchor | None:
        """The event that it stands on, if it knows one."""
        return None if self.event_id is None else Anchor(self.position, self.event_id)

    def passed(self, recorded: RecordedEvent) -> None:
        """Everything up to this event has been handed out."""
        self.position, self.event_id = recorded.position, recorded.id

    def reached(self) -> None:
        """Everything up to the horizon that `head` has told has been handed out, or does not match."""
        if self._seen.head > self.position:
            self.position, self.event_id = self._seen.head, self._seen.head_id

    @property
    def _seen(self) -> LogState:
        assert self._surveyed is not None, "head() comes first"
        return self._surveyed

    def _is_same(self, survey: LogState) -> bool:
        return (
            self.store in (None, survey.store)
            and self.epoch in (None, survey.epoch)
            and self.event_id in (None, survey.found_id)
        )

    async def _judge(self, survey: LogState) -> None:
        """`EpochChanged`, unless an older epoch's checkpoint is of this history too."""
        async with self._log.database.connection() as connection:
            epochs = await epochs_of(connection, self._log.database)
        epoch = self.epoch or survey.epoch
        store = self.store or survey.store
        if self._inside:
            store = next((one.store for one in epochs if one.number == epoch), store)
        stood = Checkpoint(store, epoch, self.position, self.event_id)
        parted = parting(stood, survey.found_id, epochs, inside=self._inside)
        if parted is not None:
            raise EpochChanged(self._who, parted.reason, self._remedy or remedy_for(parted), stood, parted.proven)


def remedy_for(parted: Divergence) -> str:
    """What to do about a checkpoint that is kept outside the store."""
    if parted.proven is None:
        return (
            "Which events are lost cannot be told from here: see `leftfold doctor`, or undo what they have led to and "
            "follow from the beginning, after=0"
        )
    return (
        f"Undo what events after position {parted.proven.position} have led to, then go on with "
        f"after=lf.Checkpoint.parse('{parted.proven}')"
    )
