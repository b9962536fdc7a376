"""Events: immutable, typed facts.

``Event`` is a frozen msgspec Struct whose class statement also names the event; ``@event_type`` names a class of
another kind (frozen dataclass, attrs class, msgspec Struct or pydantic model). Either way the class is entered in a
`Registry` under a stable type name, which is what the log stores: renaming the class does not touch history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import msgspec

from leftfold.events.registry import Registry, default_registry

EventClass = TypeVar("EventClass", bound=type)


class EventMeta(msgspec.StructMeta):
    """Takes the event's name and schema version from the class statement and registers the class."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        type: str | None = None,
        schema_version: int = 1,
        aliases: tuple[str, ...] = (),
        registry: Registry | None = None,
        frozen: bool = True,
        kw_only: bool = False,
        rename: Any = None,
    ) -> EventMeta:
        if not frozen:
            raise TypeError(f"{name}: an event is immutable; frozen=False is refused")
        made = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=kw_only, rename=rename)
        if any(isinstance(base, EventMeta) for base in bases):
            (registry or default_registry).register(made, type or name, schema_version=schema_version, aliases=aliases)
        return made


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))  # on the metaclass mypy forgets frozen
class Event(msgspec.Struct, metaclass=EventMeta, frozen=True):
    """The base of events: ``class MoneyDeposited(lf.Event, type="bank.money-deposited", schema_version=2)``.

    The type name defaults to the class's name, the schema version to 1; ``aliases`` are former type names, under
    which stored events are still found; ``registry`` isolates. Fields are declared as in a dataclass and may be of
    any type that msgspec encodes; Decimals are stored as strings, aware datetimes as RFC 3339. A field
    ``student_id: Annotated[str, lf.Tag("student")]`` tags the event with its value.
    """


def event_type(
    name: str,
    *,
    schema_version: int = 1,
    aliases: tuple[str, ...] = (),
    registry: Registry | None = None,
) -> Callable[[EventClass], EventClass]:
    """Enter a frozen dataclass, attrs class, msgspec Struct or pydantic model as the event type ``name``."""

    def enter(cls: EventClass) -> EventClass:
        (registry or default_registry).register(cls, name, schema_version=schema_version, aliases=aliases)
        return cls

    return enter
