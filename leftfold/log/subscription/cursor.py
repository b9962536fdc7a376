"""A follower's place in a log, and whether it is still the same log.

Each look at the horizon verifies, in the same snapshot, the event at the follower's position. It also brings the id of
the event at the horizon, where the follower will be next. Each page is read only while the event before it stands. So a
follower sees one history, however the database is replaced, or it stops with `EpochChanged`.
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
from leftfold.log.epochs import Anchor, Divergence, LogState, divergence_of, epochs_of
from leftfold.log.page_size import PageSize
from leftfold.log.select import Range


class Cursor:
    """A follower's place in a log. Store, epoch and id, if not given, come from its first look at the log.

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
        self._state: LogState | None = None

    @staticmethod
    def behind(log: Log, after: int | Checkpoint) -> Cursor:
        """A cursor at a position, which is believed, or at a checkpoint, which is verified."""
        if isinstance(after, Checkpoint):
            return Cursor(log, after.position, event_id=after.event_id, epoch=after.epoch, store=after.store)
        if not isinstance(after, int):
            raise InvalidArgument(
                f"after is a position or a lf.Checkpoint (from text: Checkpoint.parse), not {after!r}"
            )
        return Cursor(log, after)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Its place; None before anything is known of the store."""
        if self.store is None or self.epoch is None:
            return None
        return Checkpoint(self.store, self.epoch, self.position, self.event_id)

    async def head(self) -> int:
        """The horizon; `EpochChanged` if the log is not the log that was followed so far."""
        state = await self._log.state(self.position)
        if not self._is_same(state):
            await self._judge(state)
        self.store, self.epoch = state.store, state.epoch
        self.event_id = self.event_id or state.found_id
        self._state = state
        return state.head

    def read(self, query: Query, size: PageSize) -> AsyncIterator[list[RecordedEvent]]:
        """Pages of matching events, from its place to the horizon of the latest `head`."""
        return self._log.read_settled(query, self.position, self._seen.head, size, anchor=self.anchor)

    async def page(self, query: Query, limit: int, buckets: Buckets | None = None) -> list[RecordedEvent]:
        """Up to ``limit`` matching events, from its place to the horizon of the latest `head`.

        Events whose streams' ids are not in ``buckets`` may be left out, but for the last.
        """
        part = Range(self.position, self.horizon, limit, anchor=self.anchor, buckets=buckets)
        return await self._log.read_log_page(query, part)

    def stop_at(self, position: int, event_id: UUID | None) -> None:
        """Take the place of another cursor, given by position and id, for the horizon, if it comes before that."""
        if position < self._seen.head:
            self._state = replace(self._seen, head=position, head_id=event_id)

    def copy(self) -> Cursor:
        """Another cursor at the same place."""
        return copy(self)

    @property
    def horizon(self) -> int:
        """The horizon of the latest `head`."""
        return self._seen.head

    @property
    def anchor(self) -> Anchor | None:
        """The event at its position, if its id is known."""
        return None if self.event_id is None else Anchor(self.position, self.event_id)

    def passed(self, recorded: RecordedEvent) -> None:
        """Everything up to this event has been handed out."""
        self.position, self.event_id = recorded.position, recorded.id

    def reached(self) -> None:
        """Everything up to the horizon of the latest `head` has been handed out, or does not match."""
        if self._seen.head > self.position:
            self.position, self.event_id = self._seen.head, self._seen.head_id

    @property
    def _seen(self) -> LogState:
        assert self._state is not None, "head() comes first"
        return self._state

    def _is_same(self, state: LogState) -> bool:
        return (
            self.store in (None, state.store)
            and self.epoch in (None, state.epoch)
            and self.event_id in (None, state.found_id)
        )

    async def _judge(self, state: LogState) -> None:
        """`EpochChanged`, unless the place is of an older epoch and still of this history."""
        async with self._log.database.connection() as connection:
            epochs = await epochs_of(connection, self._log.database)
        number = self.epoch or state.epoch
        store = self.store or state.store
        if self._inside:
            store = next((epoch.store for epoch in epochs if epoch.number == number), store)
        checkpoint = Checkpoint(store, number, self.position, self.event_id)
        divergence = divergence_of(checkpoint, state.found_id, epochs, inside=self._inside)
        if divergence is not None:
            remedy = self._remedy or remedy_for(divergence)
            raise EpochChanged(self._who, divergence.reason, remedy, checkpoint, divergence.proven)


def remedy_for(divergence: Divergence) -> str:
    """What to do about a checkpoint that is kept outside the store."""
    if divergence.proven is None:
        return (
            "Which events are lost cannot be told from here: see `leftfold doctor`, or undo what they have led to and "
            "follow from the beginning, after=0"
        )
    return (
        f"Undo what events after position {divergence.proven.position} have led to, then go on with "
        f"after=lf.Checkpoint.parse('{divergence.proven}')"
    )
