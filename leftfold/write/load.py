"""Loading: the fold over a stream, from its snapshot if that may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from leftfold.errors import AggregateNotFound
from leftfold.events import RecordedEvent
from leftfold.events.stream import stream_name
from leftfold.log.contract import Log
from leftfold.log.select import Columns
from leftfold.write.question import Question
from leftfold.write.snapshots import Snapshot, Snapshots, as_json, logger
from leftfold.write.subject import Subject

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Latest:
    """The greatest occurred_at and recorded_at among the events up to a version."""

    version: int
    occurred: datetime
    recorded: datetime


@dataclass(slots=True)
class Loaded(Generic[State]):
    """A state, its version and position, and the latest times folded in (where snapshots are kept)."""

    state: State
    version: int = 0
    position: int = 0
    latest: Latest | None = None


class Loader(Generic[State]):
    """Loads and remembers the states of one subject."""

    def __init__(self, log: Log, subject: Subject[State]) -> None:
        self._log = log
        self._subject = subject
        self._snapshots = Snapshots(log.database)

    async def load(self, id: str, question: Question) -> Loaded[State]:
        """The state that the question asks about; version 0 if there is nothing in the stream."""
        stream = stream_name(self._subject.category, id)
        loaded = await self._start(stream, question)
        timeless = question.at is None and question.known_at is None and self._subject.snapshot_every is None
        columns: Columns = "fold" if timeless else "all"
        pages = self._log.read_stream(stream, after=loaded.version, until=question.version, columns=columns)
        async for page in pages:
            self._fold(loaded, page, question)
        return loaded

    async def load_existing(self, id: str, question: Question) -> Loaded[State]:
        """Load; `AggregateNotFound` if there is nothing."""
        loaded = await self.load(id, question)
        if loaded.version == 0 or question.reaches_beyond(loaded.version):
            raise await self._not_found(id, question)
        return loaded

    async def remember(self, id: str, before: Loaded[State], version: int, position: int) -> Latest | None:
        """After an append that led to ``version``: save a snapshot, and tell the latest times.

        Only the store knows when it learnt the new events, so their tail is read again. A failure is only logged: the
        append has succeeded, and an error would make the caller repeat it.
        """
        stream = stream_name(self._subject.category, id)
        latest = before.latest
        try:
            state = as_json(before.state, self._subject)  # now, before anything is awaited and the state goes on
            async for page in self._log.read_stream(stream, after=latest.version if latest else 0, until=version):
                latest = _latest(page, latest)
            assert latest is not None, "what was just appended can be read"
            remembered = Snapshot(state, version, position, latest.occurred, latest.recorded)
            await self._snapshots.save(stream, self._subject.fingerprint, remembered)
        except Exception as error:
            logger.warning("the snapshot of %s could not be saved: %s", stream, error)
        return latest

    def is_due(self, before: int, after: int) -> bool:
        """Whether a snapshot falls between two versions."""
        every = self._subject.snapshot_every
        return every is not None and after // every > before // every

    async def _start(self, stream: str, question: Question) -> Loaded[State]:
        if self._subject.snapshot_every is not None:
            snapshot = await self._snapshots.find(stream, self._subject, question)
            if snapshot is not None:
                latest = Latest(snapshot.version, snapshot.occurred, snapshot.recorded)
                return Loaded(snapshot.state, snapshot.version, snapshot.position, latest)
        return Loaded(self._subject.fold.initial())

    def _fold(self, loaded: Loaded[State], page: Sequence[RecordedEvent], question: Question) -> None:
        counted = page if question.is_now else [recorded for recorded in page if question.includes(recorded)]
        if not counted:
            return
        loaded.state = self._subject.fold.resume(loaded.state, (recorded.event for recorded in counted))
        loaded.version, loaded.position = counted[-1].version, counted[-1].position
        if self._subject.snapshot_every is not None:
            loaded.latest = _latest(counted, loaded.latest)

    async def _not_found(self, id: str, question: Question) -> AggregateNotFound:
        stream = stream_name(self._subject.category, id)
        last = [event async for page in self._log.read_stream(stream, limit=1, backwards=True) for event in page]
        if not last:
            return AggregateNotFound(f"there is no {self._subject.name} {id!r}: the stream {stream!r} has no events")
        return AggregateNotFound(
            f"there was no {self._subject.name} {id!r} {question}: the stream {stream!r} is at version "
            f"{last[0].version}, and no event of it, or too few, had happened"
        )


def _latest(page: Sequence[RecordedEvent], before: Latest | None) -> Latest:
    occurred = max(recorded.occurred_at for recorded in page)
    known = page[-1].recorded_at  # it never decreases within a stream
    if before is not None:
        occurred, known = max(before.occurred, occurred), max(before.recorded, known)
    return Latest(page[-1].version, occurred, known)
