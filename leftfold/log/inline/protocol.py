"""Inline projections as the log sees them: work that belongs into the append's own transaction.

The log knows neither read models nor folds. Before an append is sent, the log asks which rows it concerns, and locks
them together with everything else that it locks. Then it hands over what has just been stored, on the transaction's
connection. What is done there commits with the append, or is undone with it.
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
    """An append that the transaction has just stored: its number in the batch, its stream's version, its positions.

    The ``positions`` are those of the whole batch; this append's begin behind ``start`` others.
    """

    number: int
    append: Append
    version: int
    positions: Sequence[int]
    start: int
    recorded: int | str


def recorded_events(stored: Iterable[StoredAppend], registry: Registry) -> list[RecordedEvent]:
    """The events of appends, in order, as they will be read."""
    return [
        RecordedEvent(
            each.positions[each.start + at], each.append.stream, each.version - len(each.append.events) + at + 1,
            event.id.bytes, event.type, event.schema_version, event.data, event.metadata, event.tags,
            each.recorded if event.occurred_at is None else moment.to_text(event.occurred_at), each.recorded, registry,
        )
        for each in stored
        for at, event in enumerate(each.append.events)
    ]  # fmt: skip


class Inline(Protocol):
    """The inline projections of a store."""

    members: InlineSet
    digest: str
    """Empty without projections; then nothing else is asked."""
    shares_rows: bool
    """Whether appends to different streams may concern the same row."""

    def with_row_locks(self, append: Append) -> Append:
        """The append with the rows that it will concern, as far as that can be told before it is stored.

        `ProcessorFailed` if a projection cannot tell.
        """

    async def fetch(
        self, connection: Connection, appends: Sequence[Append], first: Sequence[Statement] = ()
    ) -> tuple[list[list[Row]], Rows]:
        """Run the statements ``first``, which lock the appends' rows, and fetch these rows.

        `ProcessorOutdated` if a table of theirs is gone.
        """

    def fold(self, stored: Sequence[StoredAppend], rows: Rows) -> list[Statement]:
        """The statements, in order, that bring the rows up to date with what the transaction has stored.

        `BatchRefused` undoes the transaction.
        """


class NoInline:
    """No inline projections."""

    members: InlineSet = frozenset()
    digest = ""
    shares_rows = False

    def with_row_locks(self, append: Append) -> Append:
        """The append as it is."""
        return append

    async def fetch(
        self, connection: Connection, appends: Sequence[Append], first: Sequence[Statement] = ()
    ) -> tuple[list[list[Row]], Rows]:
        """Run the statements ``first`` alone."""
        return await connection.execute_all(first), ()

    def fold(self, stored: Sequence[StoredAppend], rows: Rows) -> list[Statement]:
        """No statements."""
        return []


class BatchRefused(Exception):
    """Some appends of a batch cannot be kept: the transaction is undone, and the others go once more without them.

    ``failures``, by number, are final. The appends in ``moved`` go again, too, with other rows to lock.
    """

    def __init__(self, failures: Mapping[int, LeftfoldError], moved: Mapping[int, Append]) -> None:
        self.failures = failures
        self.moved = moved


class Batch:
    """The appends that are still to be stored, and the outcomes of the rest."""

    def __init__(self, appends: Sequence[Append], inline: Inline) -> None:
        self._outcomes: list[Outcome | None] = [None] * len(appends)
        self._numbers: list[int] = []
        self.appends: list[Append] = []
        for number, append in enumerate(appends):
            try:
                locking = append if append.row_locks is not None else inline.with_row_locks(append)
            except LeftfoldError as failure:
                self._outcomes[number] = failure
                continue
            self._numbers.append(number)
            self.appends.append(locking)

    def refuse(self, refused: BatchRefused) -> None:
        """Drop the failed appends from the batch, and change the rows of the moved ones."""
        going = []
        for at, (number, append) in enumerate(zip(self._numbers, self.appends, strict=True)):
            if at in refused.failures:
                self._outcomes[number] = refused.failures[at]
            else:
                going.append((number, refused.moved.get(at, append)))
        self._numbers, self.appends = [number for number, _ in going], [append for _, append in going]

    def settle(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes of the whole batch, given those of the appends that are still in it."""
        for number, outcome in zip(self._numbers, outcomes, strict=True):
            self._outcomes[number] = outcome
        return [outcome for outcome in self._outcomes if outcome is not None]

    @property
    def failure(self) -> LeftfoldError | None:
        """The first refusal."""
        return next((outcome for outcome in self._outcomes if isinstance(outcome, LeftfoldError)), None)
