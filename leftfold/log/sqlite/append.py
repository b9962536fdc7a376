"""How SQLite judges and stores appends: plain functions over a raw connection, inside one write transaction.

SQLite has one writer at a time. So what is read after BEGIN IMMEDIATE stays true until COMMIT, positions are dense, and
the horizon is the last position.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from leftfold.database.sqlite.database import roll_back
from leftfold.database.sqlite.held import in_savepoint
from leftfold.errors import (
    ConcurrencyError,
    ConditionFailed,
    DuplicateEvent,
    InvalidEvent,
    LeftfoldError,
    ProcessorOutdated,
)
from leftfold.log.append import Append, AppendResult, Outcome
from leftfold.log.condition import AppendCondition
from leftfold.log.inline.protocol import Batch, BatchRefused
from leftfold.log.sqlite.inline import Inlining
from leftfold.log.sqlite.statements import statement
from leftfold.log.sqlite.writer import Writer

Result = TypeVar("Result")
_REFUSALS = (sqlite3.DataError, sqlite3.IntegrityError)
"""What SQLite says of an append, not of itself."""


class Run(Protocol):
    """How a write becomes all or nothing: `in_transaction`, or `within_transaction`."""

    def __call__(self, raw: sqlite3.Connection, write: Callable[[Writer], Result], /) -> Result: ...


def append_independent(
    raw: sqlite3.Connection, appends: Sequence[Append], run: Run, inlining: Inlining
) -> list[Outcome]:
    """One transaction, and an outcome for each append. If SQLite refuses the batch, a transaction for each append."""
    batch = Batch(appends, inlining.inline)
    try:
        return _append_batch(raw, batch, run, inlining)
    except _REFUSALS as error:
        if len(batch.appends) == 1:
            return batch.settle([_refusal(batch.appends[0], error)])
        return batch.settle([_append_alone(raw, append, run, inlining) for append in batch.appends])


def _append_alone(raw: sqlite3.Connection, append: Append, run: Run, inlining: Inlining) -> Outcome:
    try:
        [outcome] = _append_batch(raw, Batch([append], inlining.inline), run, inlining)
    except _REFUSALS as error:
        return _refusal(append, error)
    return outcome


def _append_batch(raw: sqlite3.Connection, batch: Batch, run: Run, inlining: Inlining) -> list[Outcome]:
    """Once more without the appends that an inline projection refuses; carefully if an id may be stored already.

    A repetition is rare, so the first attempt does not look for ids. It meets a unique index, and all is judged again.
    """
    careful = False
    while appends := batch.appends:
        try:
            return batch.settle(run(raw, partial(_independent, appends, inlining, careful)))
        except BatchRefused as refused:
            batch.refuse(refused)
        except _REFUSALS:
            if careful:
                raise
            careful = True
    return batch.settle([])


def _refusal(append: Append, error: sqlite3.Error) -> InvalidEvent:
    return InvalidEvent(f"SQLite refuses the append to {append.stream!r}: {error}")


def append_together(
    raw: sqlite3.Connection, appends: Sequence[Append], condition: AppendCondition | None, run: Run, inlining: Inlining
) -> list[AppendResult]:
    """One transaction; everything, or the first refusal."""
    batch = Batch(appends, inlining.inline)
    while batch.failure is None:
        try:
            return run(raw, partial(_together, batch.appends, condition, inlining))
        except BatchRefused as refused:
            batch.refuse(refused)
        except _REFUSALS as error:
            streams = ", ".join(append.stream for append in appends)
            raise InvalidEvent(f"SQLite refuses the append to {streams}: {error}") from error
    raise batch.failure


def in_transaction(raw: sqlite3.Connection, write: Callable[[Writer], Result]) -> Result:
    """A transaction of the log's own."""
    try:  # around BEGIN too: a thread that is interrupted while it waits for it has begun all the same
        raw.execute("BEGIN IMMEDIATE")
        result = write(Writer(raw))
        raw.execute("COMMIT")
    except BaseException:
        roll_back(raw)
        raise
    return result


def within_transaction(raw: sqlite3.Connection, write: Callable[[Writer], Result]) -> Result:
    """A savepoint in a held transaction. The write lock comes first: what is judged must not be older than it."""

    def locked() -> Result:
        raw.execute(statement("lock"))
        return write(Writer(raw))

    return in_savepoint(raw, locked)


def _independent(appends: Sequence[Append], inlining: Inlining, careful: bool, writer: Writer) -> list[Outcome]:
    writer.look_at(append.stream for append in appends)
    outcomes = [_outcome(writer, append, number, inlining, careful) for number, append in enumerate(appends)]
    writer.flush()
    inlining.apply(writer.raw, writer.stored)
    return outcomes


def _outcome(writer: Writer, append: Append, number: int, inlining: Inlining, careful: bool) -> Outcome:
    """A repetition is no conflict: an attempt that has not looked for ids does so before it refuses."""
    try:
        writer.tick()
        if careful and (former := writer.repeated(append)):
            return former
        try:
            inlining.check(writer.raw, writer.digest)
            return writer.append(append, number)
        except (ConcurrencyError, ConditionFailed, ProcessorOutdated) as refusal:
            return (None if careful else writer.repeated(append)) or refusal
    except LeftfoldError as refusal:  # raised before anything of this append was inserted
        return refusal


def _together(
    appends: Sequence[Append], condition: AppendCondition | None, inlining: Inlining, writer: Writer
) -> list[AppendResult]:
    writer.look_at(append.stream for append in appends)
    repeated = [writer.repeated(append) for append in appends if append.events]
    if any(repeated):
        ids = [event.id for append in appends for event in append.events]
        if not all(repeated) or writer.moments_of(ids) > 1:
            raise DuplicateEvent(", ".join(append.stream for append in appends), ids)
        former = iter(repeated)
        return [
            (append.events and next(former)) or AppendResult(*writer.tails[append.stream][:2], duplicate=True)
            for append in appends
        ]
    inlining.check(writer.raw, writer.digest)
    for append in appends:
        writer.check(append)
    if condition is not None:
        writer.check_condition(condition)
    results = [writer.append(append, number) for number, append in enumerate(appends)]
    writer.flush()
    inlining.apply(writer.raw, writer.stored)
    return results
