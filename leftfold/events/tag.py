"""Tags declared on fields: ``student_id: Annotated[str, lf.Tag("student")]`` tags each event, say with ``student:7``.

The declarations are read and checked when the class is registered. A tag that went missing silently would leave a
condition without its events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence, Set
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints
from uuid import UUID

from leftfold.errors import EventTypeConflict, InvalidArgument, InvalidEvent
from leftfold.events.annotations import is_union, unwrap
from leftfold.events.stream import check_tag

_COLLECTIONS = (list, tuple, set, frozenset, Collection, Sequence, Set)


@dataclasses.dataclass(frozen=True, slots=True)
class Tag:
    """Marks a field whose value tags its event, as ``name:value``. ::

        class StudentSubscribed(lf.Event):
            student_id: Annotated[str, lf.Tag("student")]  # StudentSubscribed("7") carries the tag "student:7"

    The field is a str, an int, a UUID, an Enum or a Literal; or a list, tuple or set of these, with a tag for each.
    Where it is None there is no tag. Several fields may share a name, and a field may have several tags. Only new
    events are tagged: stored events stay as they are.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or ":" in self.name:
            raise InvalidArgument(f"{self.name!r} is no name of a tag: expected a str without ':', such as 'student'")
        check_tag(self.name)

    def of(self, value: str | int | UUID | Enum) -> str:
        """The tag that an event with this value carries: ``lf.Query.of(tags=[lf.Tag("student").of(id)])``."""
        text = value if type(value) is str and value else self._text(value)
        return check_tag(f"{self.name}:{text}")

    def _text(self, value: Any) -> str:
        """The value as in JSON, whatever a subclass makes of ``str()``."""
        plain = value.value if isinstance(value, Enum) else value
        if isinstance(plain, str) and plain:
            return str.__str__(plain)
        if isinstance(plain, int) and not isinstance(plain, bool):
            return int.__repr__(plain)
        if isinstance(plain, UUID):
            return str(plain)
        raise InvalidArgument(
            f"{value!r} is no value for the tag {self.name!r}: expected a str that is not empty, an int, a UUID, or an "
            "Enum of these"
        )


class TaggedField(NamedTuple):
    """A field, its tags, and whether each of its elements is tagged rather than its value."""

    name: str
    tags: tuple[Tag, ...]
    several: bool


class EventTags:
    """The tags that events of one class carry. Its fields are None until the annotations can be understood."""

    def __init__(self, cls: type, fields: tuple[TaggedField, ...] | None) -> None:
        self._cls = cls
        self._fields = fields

    def tags_of(self, event: Any) -> tuple[str, ...]:
        """Sorted, each once; `InvalidEvent` names the field whose value makes no tag."""
        if self._fields is None:
            self._fields = tuple(_tagged_fields(self._cls, _annotations(self._cls)))
        found: list[str] = []
        for name, tags, several in self._fields:
            value = getattr(event, name)
            if value is None:
                continue
            try:
                for tag in tags:
                    if several:
                        found += [tag.of(element) for element in value if element is not None]
                    else:
                        found.append(tag.of(value))
            except InvalidArgument as error:
                raise InvalidEvent(f"{error} - at `$.{name}`") from error
        return tuple(sorted(set(found)))


def event_tags_of(cls: type) -> EventTags | None:
    """How events of a class are tagged, None if they are not; `EventTypeConflict` for what cannot be a tag.

    A class that mentions types defined after it is looked at again when its first event comes.
    """
    try:
        annotations = _annotations(cls)
    except EventTypeConflict:
        return EventTags(cls, None)
    fields = tuple(_tagged_fields(cls, annotations))
    return EventTags(cls, fields) if fields else None


def _annotations(cls: Any) -> dict[str, Any]:
    """The annotations of a class and its bases."""
    try:
        if not hasattr(cls, "__pydantic_fields__"):
            return get_type_hints(cls, include_extras=True)
        if cls.__pydantic_complete__:
            return {
                name: Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
                for name, field in cls.__pydantic_fields__.items()
            }
        raise NameError("it mentions types that are not defined")
    except Exception as error:
        raise EventTypeConflict(f"{cls.__qualname__}: its annotations cannot be understood: {error}") from error


def _tagged_fields(cls: Any, annotations: dict[str, Any]) -> Iterator[TaggedField]:
    for name, annotation in annotations.items():
        if not any(True for _ in _inside(annotation, [])):
            continue
        if name not in _field_names(cls):
            raise EventTypeConflict(f"{cls.__qualname__}.{name}: lf.Tag is for a field, and this is no field")
        try:
            yield TaggedField(name, *_tags_on(annotation))
        except InvalidArgument as error:
            raise EventTypeConflict(f"{cls.__qualname__}.{name}: {error}") from error


def _tags_on(annotation: Any) -> tuple[tuple[Tag, ...], bool]:
    """The tags on a field, and whether they are on its elements; `InvalidArgument` where no tag can be."""
    plain, notes, _ = unwrap(annotation)
    elements: tuple[Any, ...] = (plain,)
    several = get_origin(plain) in _COLLECTIONS
    if several:
        elements = tuple(element for element in get_args(plain) if element is not Ellipsis)
        if len(elements) == 1:
            notes += unwrap(elements[0])[1]
    tags = [note for note in notes if _is_mark(note)]
    if Tag in tags:
        raise InvalidArgument("lf.Tag has a name: lf.Tag('student')")
    if len(tags) < sum(1 for _ in _inside(annotation, [])):
        raise InvalidArgument(f"lf.Tag belongs on the whole field, or on all elements of a list: not in {annotation}")
    if not elements or not all(map(_can_be_tag, elements)):
        raise InvalidArgument(
            f"{plain} cannot be a tag: expected a str, an int, a UUID, an Enum or a Literal of these, a list, tuple or "
            "set of them, or one of these | None"
        )
    return tuple(tags), several


def _inside(annotation: Any, seen: list[Any]) -> Iterator[Any]:
    """Every mark in an annotation, however deep; an alias may contain itself."""
    if any(inner is annotation for inner in seen):
        return
    seen.append(annotation)
    plain, notes, _ = unwrap(annotation)
    yield from filter(_is_mark, notes)
    for inner in get_args(plain):
        yield from _inside(inner, seen)


def _is_mark(note: Any) -> bool:
    return note is Tag or isinstance(note, Tag)


def _can_be_tag(annotation: Any) -> bool:
    plain, _, _ = unwrap(annotation)
    if is_union(plain):
        return all(map(_can_be_tag, get_args(plain)))
    if get_origin(plain) is Literal:
        return all(alternative is None or _is_value(alternative) for alternative in get_args(plain))
    if isinstance(plain, type) and issubclass(plain, Enum):
        return all(map(_is_value, plain))
    return isinstance(plain, type) and issubclass(plain, (str, int, UUID)) and plain is not bool


def _is_value(value: Any) -> bool:
    plain = value.value if isinstance(value, Enum) else value
    return isinstance(plain, (str, int, UUID)) and not isinstance(plain, bool)


def _field_names(cls: Any) -> Collection[str]:
    if hasattr(cls, "__pydantic_fields__"):
        return tuple(cls.__pydantic_fields__)
    if hasattr(cls, "__struct_fields__"):
        return tuple(cls.__struct_fields__)
    if hasattr(cls, "__attrs_attrs__"):
        return [attribute.name for attribute in cls.__attrs_attrs__]
    return [field.name for field in dataclasses.fields(cls)]
