"""Which projections fold a read model: what `projection` has made, for whoever has only the model.

They are known for as long as somebody keeps them, which a module does. A definition with the same module and qualified
name replaces (reloads, notebooks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from leftfold.errors import InvalidArgument
from leftfold.read.model import ReadModel

if TYPE_CHECKING:
    from leftfold.read.projection import Projection

Model = TypeVar("Model", bound=ReadModel)

_declared: WeakValueDictionary[tuple[Any, ...], Projection[Any]] = WeakValueDictionary()


def declare(projection: Projection[Model]) -> Projection[Model]:
    """Remember what folds the projection's model."""
    function = projection.function
    place = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    _declared[projection.model, *place, projection.name] = projection
    return projection


def projection_of(model: type[Model], given: Projection[Model] | None = None) -> Projection[Model]:
    """The one that was ``given``, or else the only one there is; `InvalidArgument` that names what there is."""
    if given is not None:
        if getattr(given, "model", None) is not model:
            raise InvalidArgument(
                f"projection=… is one that folds {model.__name__}, made by @lf.projection, not {given!r}"
            )
        return given
    alive = (ref() for ref in _declared.valuerefs())  # a copy: others may be defining projections meanwhile
    found = [one for one in alive if one is not None and one.model is model]
    found.sort(key=lambda one: (one.name, one.version))
    if not found:
        name = model.__name__
        raise InvalidArgument(
            f"no projection folds {name}: import the module that has its @lf.projection({name}, …), for only such a "
            "keyed fold can be replayed in memory"
        )
    if len(found) > 1:
        names = ", ".join(f"{one.name!r} (version {one.version})" for one in found)
        raise InvalidArgument(f"{len(found)} projections fold {model.__name__}: {names}; say which with projection=…")
    return found[0]
