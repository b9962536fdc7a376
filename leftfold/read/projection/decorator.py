"""The decorator of keyed folds, and the projections that it has made, by read model: a view replays by its model alone.

The table holds its projections weakly: a module keeps its own. A definition with the same module and qualified name
replaces the former (a reload, a notebook's cell).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from leftfold.errors import InvalidArgument
from leftfold.events import RecordedEvent
from leftfold.events.stream import check_category
from leftfold.follow.options import OnFailure, check_on_failure, check_version, event_types
from leftfold.read.model.columns import TextType
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.keyed import KeyedFold, Projection

Model = TypeVar("Model", bound=ReadModel)

_declared: WeakValueDictionary[tuple[Any, ...], Projection[Any]] = WeakValueDictionary()


def declare(projection: Projection[Model]) -> Projection[Model]:
    """Remember that the projection folds its model."""
    function = projection.function
    place = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    _declared[projection.model, *place, projection.name] = projection
    return projection


def projection_of(model: type[Model], given: Projection[Model] | None = None) -> Projection[Model]:
    """The ``given`` projection, or the only one that folds the model; `InvalidArgument` names the candidates."""
    if given is not None:
        if getattr(given, "model", None) is not model:
            raise InvalidArgument(
                f"projection=… is a projection of {model.__name__}, made by @lf.projection, not {given!r}"
            )
        return given
    alive = (ref() for ref in _declared.valuerefs())  # a copy: others may be defining projections meanwhile
    found = [candidate for candidate in alive if candidate is not None and candidate.model is model]
    found.sort(key=lambda candidate: (candidate.name, candidate.version))
    if not found:
        name = model.__name__
        raise InvalidArgument(
            f"no projection folds {name}: import the module that has its @lf.projection({name}, …), for only such a "
            "keyed fold can be replayed in memory"
        )
    if len(found) > 1:
        names = ", ".join(f"{candidate.name!r} (version {candidate.version})" for candidate in found)
        raise InvalidArgument(f"{len(found)} projections fold {model.__name__}: {names}; say which with projection=…")
    return found[0]


def projection(
    model: type[Model],
    *,
    category: str | None = None,
    on: Iterable[Any] | None = None,
    version: int = 1,
    key: Callable[[RecordedEvent], Any] | None = None,
    name: str | None = None,
    on_failure: OnFailure = "pause",
) -> Callable[[KeyedFold[Model]], Projection[Model]]:
    """Make a function the keyed fold that maintains ``model``: from a row (or None) and an event to the row after it.

    ``on`` are its event types (classes, unions of classes, or stored names; by default all), in streams of
    ``category``. The row's key is the stream's id, or what ``key(recorded)`` returns: a key (a tuple if several fields
    make it), a list of keys, or None to pass the event over. The function returns the row, `DELETE`, or None where
    there is no row and none is to be. It must depend on nothing but its arguments. ``name`` (by default the function's)
    and ``version`` name its checkpoint.

    ``on_failure`` says what happens when the function raises. ``"pause"``: the projection stops in front of the event.
    `Retry`: a worker tries the event again for a while first. ``"park"``: the event is set aside, with all later events
    of its key, in order, and the other keys go on.
    """
    definition = definition_of(model)
    types = event_types(on)
    if category is not None:
        check_category(category)
    check_version(version)
    if key is None and not (
        len(definition.key) == 1 and isinstance(definition.fields[definition.key[0]].type, TextType)
    ):
        raise InvalidArgument(
            f"the key of {model.__name__} is not a single str, as a stream's id is: say key=…, a function from a "
            "recorded event to the key of its row"
        )

    def decorate(function: KeyedFold[Model]) -> Projection[Model]:
        known_as = function.__name__ if name is None else name
        if not isinstance(known_as, str) or not known_as or "\0" in known_as:
            raise InvalidArgument(f"{known_as!r} is no name for a projection: expected a str that is not empty")
        made = Projection(
            model,
            function,
            name=known_as,
            version=version,
            category=category,
            on=types,
            key=key,
            on_failure=check_on_failure(on_failure),
        )
        return declare(made)

    return decorate
