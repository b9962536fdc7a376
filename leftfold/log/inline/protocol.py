"""Inline projections as the log sees them: work that belongs into the append's own transaction.

The log knows neither read models nor folds. It asks, before an append is sent, which rows it concerns, locks those
together with everything else that it locks, and hands over what has just been stored, on the transaction's connection.
What is done there commits with the append, or is undone with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from leftfold.database.protocol import Connection, Row, Statement
from leftfold.errors import LeftfoldError
from leftfold.events import RecordedEvent, Registry, moment
from leftfold.log.append import Append, Outcome
from leftfold.log.inline.inline_set import InlineSet

Rows = Sequence[Any]
"""What an `Inline` has fetched for a batch, in a form of its own."""


@dataclass(slots=True)
class StoredAppend:
    """An append that the transaction has just stored: its number in the batch, and where and when it stands.

    The ``positions`` are those of the whole batch; its own begin behind ``start`` others.
    """

    number: int
    append: Append
    version: int
    positions: Sequence[int]
    start: int
    recorded: int | str


def recorded_events(placed: Iterable[StoredAppend], registry: Registry) -> list[RecordedEvent]:
    """The events of appends, in order, as they will be read."""
    return [
        RecordedEvent(
            one.positions[one.start + at], one.append.stream, one.version - len(one.append.events) + at + 1,
            event.id.bytes, event.type, event.schema_version, event.data, event.metadata, event.tags,
            one.recorded if event.occurred_at is None else moment.to_text(event.occurred_at), one.recorded, registry,
        )
        for one in placed
        for at, event in enumerate(one.append.events)
    ]  # fmt: skip


class Inline(Protocol):
    """The inline projections of a store."""

    members: InlineSet
    digest: str
    """Empty if there are none; then nothing else is asked."""
    shares_rows: bool
    """Whether appends to different streams may concern the same row."""

    def touch(self, append: Append) -> Append:
        """The append with the rows that it will concern, as far as that can be told before it is stored.

        `ProcessorFailed` if a projection cannot tell.
        """

    async def fetch(
        self, connection: Connection, appends: Sequence[Append], first: Sequence[Statement] = ()
    ) -> tuple[list[list[Row]], Rows]:
        """Run what comes ``first``, which locks the rows that the appends were told to touch, and fetch those.

        `ProcessorOutdated` if a table of theirs is gone.
        """

    def fold(self, placed: Sequence[StoredAppend], rows: Rows) -> list[Statement]:
        """Statements that bring the rows up to date with what the transaction has stored, in this order.

        `BatchRefused` undoes the transaction.
        """


class NoInline:
    """No inline projections."""

    members: InlineSet = frozenset()
    digest = ""
    shares_rows = False

    def touch(self, append: Append) -> Append:
        """As it is."""
        return append

    async def fetch(
        self, connection: Connection, appends: Sequence[Append], first: Sequence[Statement] = ()
    ) -> tuple[list[list[Row]], Rows]:
        """Only what comes first."""
        return await connection.execute_all(first), ()

    def fold(self, placed: Sequence[StoredAppend], rows: Rows) -> list[Statement]:
        """Nothing to do."""
        return []


class BatchRefused(Exception):
    """Some appends of a batch cannot be kept: the transaction is undone, and the others go once more without them.

    ``failures``, by number, are final; who is ``moved`` goes again, too, with other rows to lock.
    """

    def __init__(self, failures: Mapping[int, LeftfoldError], moved: Mapping[int, Append]) -> None:
        self.failures = failures
        self.moved = moved


class Batch:
    """What is still to be appended of a batch, and what has come of the rest."""

    def __init__(self, appends: Sequence[Append], inline: Inline) -> None:
        self._outcomes: list[Outcome | None] = [None] * len(appends)
        self._numbers: list[int] = []
        self.appends: list[Append] = []
        for number, append in enumerate(appends):
            try:
                touched = append if append.touched is not None else inline.touch(append)
            except LeftfoldError as failure:
                self._outcomes[number] = failure
                continue
            self._numbers.append(number)
            self.appends.append(touched)

    def refuse(self, refused: BatchRefused) -> None:
        """Go on without those that have failed."""
        going = []
        for at, (number, append) in enumerate(zip(self._numbers, self.appends, strict=True)):
            if at in refused.failures:
                self._outcomes[number] = refused.failures[at]
            else:
                going.append((number, refused.moved.get(at, append)))
        self._numbers, self.appends = [number for number, _ in going], [append for _, append in going]

    def settle(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """All outcomes, now that those of the appends that remained are known."""
        for number, outcome in zip(self._numbers, outcomes, strict=True):
            self._outcomes[number] = outcome
        return [outcome for outcome in self._outcomes if outcome is not None]

    @property
    def failure(self) -> LeftfoldError | None:
        """The first refusal."""
        return next((one for one in self._outcomes if isinstance(one, LeftfoldError)), None)
