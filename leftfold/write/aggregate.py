"""Aggregates: a typed state, commands that check and record, and an ``apply`` that folds. The command side's noun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, dataclass_transform

import msgspec

from leftfold.arguments import is_whole_number
from leftfold.errors import HistoricalState, InvalidArgument
from leftfold.events import NewEvent
from leftfold.events.stream import check_category

_BOOKKEEPING = {"id", "version", "position", "pending"}


@dataclass(frozen=True, slots=True)
class AggregateOptions:
    """The keywords of the class statement."""

    category: str
    snapshot_every: int | None
    state_version: int


class Recording:
    """The bookkeeping of an aggregate, apart from its state: slots, so that it is neither a field nor in the way."""

    __slots__ = ("_historical", "_id", "_latest", "_pending", "_position", "_version")
    _historical: bool
    _id: str
    _latest: Any  # of what is folded in, where snapshots are kept; see loading.Latest
    _pending: list[NewEvent]
    _position: int
    _version: int

    @property
    def id(self) -> str:
        """The id within its category; empty until it comes from a repository."""
        return getattr(self, "_id", "")

    @property
    def version(self) -> int:
        """The stream's version that this state is at; 0 before the first event is saved."""
        return getattr(self, "_version", 0)

    @property
    def position(self) -> int:
        """The position in the log of the last event folded in; 0 before the first is saved."""
        return getattr(self, "_position", 0)

    @property
    def pending(self) -> Sequence[NewEvent]:
        """The events that have been recorded and not yet saved."""
        return tuple(getattr(self, "_pending", ()))

    def __copy__(self) -> Self:
        made: Self = super().__copy__()  # type: ignore[misc]
        for slot in Recording.__slots__:
            if hasattr(self, slot):
                setattr(made, slot, copy(getattr(self, slot)))
        return made


def check_snapshot_every(name: str, every: int | None) -> int | None:
    """The number of events between snapshots; TypeError for anything else."""
    if every is not None and not is_whole_number(every, least=1):
        raise TypeError(f"{name}: snapshot_every is a number of events from 1, not {every!r}")
    return every


def _taken(fields: Sequence[str], namespace: Mapping[str, Any]) -> list[str]:
    reserved = _BOOKKEEPING.union(Recording.__slots__)
    return sorted(reserved.intersection({*fields, *namespace}) | {"record", "apply"}.intersection(fields))


def _without_default(made: Any) -> list[str]:
    required = len(made.__struct_fields__) - len(made.__struct_defaults__)
    late = [
        name
        for name, default in zip(made.__struct_fields__[required:], made.__struct_defaults__, strict=True)
        if default is msgspec.NODEFAULT
    ]
    return [*made.__struct_fields__[:required], *late]


@dataclass_transform(field_specifiers=(msgspec.field,))
class AggregateMeta(msgspec.StructMeta):
    """Takes the category and the snapshot policy from the class statement, and refuses what cannot work."""

    __aggregate__: AggregateOptions

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        category: str | None = None,
        snapshot_every: int | None = None,
        state_version: int = 1,
        kw_only: bool = False,
    ) -> AggregateMeta:
        made = super().__new__(mcls, name, bases, namespace, kw_only=kw_only)
        if taken := _taken(made.__struct_fields__, namespace):
            raise TypeError(
                f"{name}: {', '.join(taken)} cannot be a field or be defined anew: every aggregate has that already"
            )
        if missing := _without_default(made):
            raise TypeError(
                f"{name}: {', '.join(missing)} has no default: the fields are the state before the first event"
            )
        made.__aggregate__ = AggregateOptions(
            check_category(name if category is None else category),
            check_snapshot_every(name, snapshot_every),
            state_version,
        )
        return made


class Aggregate(Recording, msgspec.Struct, metaclass=AggregateMeta):
    """The base of aggregates: ``class BankAccount(lf.Aggregate, snapshot_every=100):`` with fields, commands, apply.

    The fields are the state, each with a default: the state before the first event. Commands check and then
    ``record``; they never run on replay. ``apply`` only changes state and never refuses. ``category`` names the
    streams (by default as the class). ``snapshot_every=n`` keeps a snapshot about every n events. Raise
    ``state_version`` when ``apply`` changes its meaning: older snapshots are then ignored.
    """

    def apply(self, event: Any) -> None:
        """Change the state as the event says; narrow ``event`` to the union of your events."""
        raise NotImplementedError(f"{type(self).__qualname__} needs an apply(self, event) that folds its events")

    def record(
        self,
        event: Any,
        *,
        occurred_at: datetime | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Note that something happened: applied now, stored on save. It gets its id here, so saving twice is safe."""
        if getattr(self, "_historical", False):
            raise HistoricalState(
                f"this {type(self).__qualname__} is {self.id!r} as it was; nothing new can happen in the past. "
                "Get it without version, at and known_at"
            )
        new = event
        if not isinstance(event, NewEvent):
            new = NewEvent(event, occurred_at=occurred_at, tags=tags, metadata=metadata)
        elif occurred_at is not None or tags or metadata:
            raise InvalidArgument(
                "a NewEvent says occurred_at, tags and metadata itself: give them there, not to record"
            )
        apply(self, new.event)
        if not hasattr(self, "_pending"):
            self._pending = []
        self._pending.append(new)


def apply(aggregate: Aggregate, event: Any) -> Aggregate:
    """``aggregate.apply(event)`` as the evolve of a fold."""
    try:
        aggregate.apply(event)
    except AttributeError as error:
        error.add_note(f"State that apply sets must be declared as a field of {type(aggregate).__qualname__}.")
        raise
    return aggregate
