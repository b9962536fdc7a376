"""What a repository keeps: an aggregate class or a decider, reduced to a category and a fold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from leftfold.errors import InvalidArgument
from leftfold.fold import Fold
from leftfold.write.aggregate import Aggregate, apply
from leftfold.write.decider import Decider

State = TypeVar("State")
AggregateType = TypeVar("AggregateType", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Subject(Generic[State]):
    """How the states of a category are folded and remembered. Without ``snapshot_every`` they are not remembered."""

    name: str
    category: str
    fold: Fold[State, Any]
    state_type: type[State]
    snapshot_every: int | None
    fingerprint: str


def of_aggregate(cls: type[AggregateType]) -> Subject[AggregateType]:
    """The subject of an aggregate class."""
    if not (isinstance(cls, type) and issubclass(cls, Aggregate)):
        raise InvalidArgument(f"a repository is for an Aggregate class or a Decider, not {cls!r}")
    options = cls.__aggregate__
    evolve: Any = apply
    return Subject(
        cls.__qualname__,
        options.category,
        Fold(cls, evolve),
        cls,
        options.snapshot_every,
        _fingerprint(cls, options.snapshot_every, options.category, options.state_version),
    )


def of_decider(decider: Decider[State, Any, Any]) -> Subject[State]:
    """The subject of a decider."""
    state_type = type(decider.initial())
    return Subject(
        decider.category,
        decider.category,
        Fold(decider.initial, decider.evolve),
        state_type,
        decider.snapshot_every,
        _fingerprint(state_type, decider.snapshot_every, decider.category, decider.state_version),
    )


def _fingerprint(state_type: type, snapshot_every: int | None, category: str, state_version: int) -> str:
    """Changes with the state's fields and their types, so that a snapshot of other fields is not trusted."""
    if snapshot_every is None:
        return ""
    try:
        schema = msgspec.json.schema(state_type)
    except (TypeError, NameError) as error:
        raise InvalidArgument(
            f"{category}: snapshot_every needs a state that msgspec can encode, and {state_type.__qualname__} is "
            f"none: {error}"
        ) from error
    text = msgspec.json.encode(
        [_without_docstrings(schema), state_type.__qualname__, category, state_version], order="sorted"
    )
    return hashlib.sha256(text).hexdigest()[:32]


def _without_docstrings(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_docstrings(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_docstrings(inner)
        for name, inner in schema.items()
        if name != "description" or not isinstance(inner, str)
    }
