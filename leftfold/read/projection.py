"""A projection: a keyed fold over the log, and the read model that it maintains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import update_wrapper
from typing import Any, Final, Generic, TypeVar

from leftfold.database.protocol import Database
from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.events.stream import check_category
from leftfold.log import Log
from leftfold.read.columns import TextType
from leftfold.read.declared import declare
from leftfold.read.definition import definition_of
from leftfold.read.failing import OnFailure, check_on_failure
from leftfold.read.fingerprint import code_of, fingerprint_of
from leftfold.read.generations import Blueprint, Generation, Role
from leftfold.read.keyed import KeyedMaintainer
from leftfold.read.maintaining import Owns
from leftfold.read.model import ReadModel
from leftfold.read.query_text import query_text
from leftfold.read.tables import ReadTable, table_in


class Delete(Enum):
    """The type of `DELETE`."""

    DELETE = "delete"


DELETE: Final = Delete.DELETE
"""What a projection returns to delete the row."""

Model = TypeVar("Model", bound=ReadModel)
KeyedFold = Callable[[Model | None, RecordedEvent], Model | Delete | None]


class Projection(Generic[Model]):
    """What `projection` makes of a function. Still callable as that function; pure, and so is everything here."""

    def __init__(
        self,
        model: type[Model],
        function: KeyedFold[Model],
        *,
        name: str,
        version: int,
        category: str | None,
        on: tuple[Any, ...],
        key: Callable[[RecordedEvent], Any] | None,
        on_failure: OnFailure = "pause",
    ) -> None:
        self.model = model
        self.function = function
        self.name = name
        self.version = version
        self.category = category
        self.on = on
        self.key = key
        self.on_failure: OnFailure = on_failure
        self.definition = definition_of(model)
        self._check_row = self.definition.checker()
        self._code = code_of(function), code_of(key)
        update_wrapper(self, function)

    def __call__(self, row: Model | None, recorded: RecordedEvent) -> Model | Delete | None:
        return self.function(row, recorded)

    def __repr__(self) -> str:
        return f"<projection {self.name!r} version {self.version} of {self.model.__name__}>"

    @property
    def mixes_categories(self) -> bool:
        """Whether ids of different categories would meet in one table; then a second category stops it."""
        return self.category is None and self.key is None

    @property
    def can_be_parted(self) -> bool:
        """Whether several may work at it, each for some keys: always, for a row depends on its key's events only."""
        return True

    @property
    def is_by_stream(self) -> bool:
        """Whether an event concerns the key that is its stream's id, and no other."""
        return self.key is None and self.category is not None  # another category's is to stop it, whosever key it has

    def query(self, registry: Registry) -> Query:
        """The events that it is about."""
        return Query.of(*self.on, category=self.category, registry=registry)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Its one table."""
        return (self.definition.name,)

    def blueprint(self, registry: Registry) -> Blueprint:
        """What the code says of its rows, and a fingerprint of it."""
        query = query_text(self.query(registry))
        fingerprint = fingerprint_of(self.definition.told(), *self._code, query)
        return Blueprint(self.name, self.version, fingerprint, self.table_names, query)

    def tables_in(self, database: Database, role: Role) -> tuple[ReadTable]:
        """Its one table."""
        return (table_in(database, self.definition, role),)

    def maintainer(
        self, log: Log, database: Database, generation: Generation, owns: Owns, cached_rows: int
    ) -> KeyedMaintainer:
        """What applies events to a generation's rows."""
        table = table_in(database, self.definition, generation.role)
        return KeyedMaintainer(self, log, database, table, generation.number, owns, cached_rows)

    def keys_of(self, recorded: RecordedEvent) -> Sequence[Any]:
        """The keys of the rows that an event concerns, checked; none if it is passed over."""
        if self.key is None:
            return (recorded.stream_id,)
        key = self.key(recorded)
        keys = () if key is None else tuple(dict.fromkeys(key)) if isinstance(key, list) else (key,)
        for one in keys:
            self.definition.key_values(one)
        return keys

    def evolve(self, row: Model | None, recorded: RecordedEvent, key: Any) -> Model | None:
        """The row of a key after an event; None if there is none. `InvalidArgument` for what is no row of that key."""
        result = self.function(row, recorded)
        if result is DELETE:
            return None
        if result is None:
            if row is not None:
                raise InvalidArgument(
                    f"returned None for {key!r}, which has a row (a forgotten return?): return the row, changed or "
                    "not, or lf.DELETE"
                )
            return None
        if result is not row:
            self._check(result, row, key)
        return result

    def _check(self, row: Model, former: Model | None, key: Any) -> None:
        if type(row) is not self.model:
            raise InvalidArgument(f"returned {row!r} for {key!r}: expected a row of {self.model.__name__}")
        self._check_row(row, former)
        if self.definition.key_of(row) != key:
            raise InvalidArgument(
                f"returned the row of {self.definition.key_of(row)!r} for {key!r}: a row keeps its key"
            )


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

    ``on`` are the event types it is about (classes, unions of classes, or stored names; all of them by default), in
    streams of ``category``. The row's key is the stream's id, or what ``key(recorded)`` returns: a key (a tuple if
    several fields make one), a list of keys, or None to pass the event over. The function returns the row, `DELETE`, or
    None where there is no row and none is to be. It must depend on nothing but its arguments. ``name`` (by default the
    function's) and ``version`` name its checkpoint.

    ``on_failure`` is what happens when it raises: ``"pause"`` stands still in front of the event, `Retry` lets a worker
    try it again for a while first, and ``"park"`` sets it aside, with all later events of its key, in order, and goes
    on with the other keys.
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
            f"the key of {model.__name__} is not one str, as a stream's id is: say key=…, a function from a recorded "
            "event to the key of its row"
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


def event_types(on: Iterable[Any] | None) -> tuple[Any, ...]:
    """What ``on`` names; `InvalidArgument` for what is no list of types."""
    if on is None:
        return ()
    if isinstance(on, (str, type)) or not isinstance(on, Iterable):
        raise InvalidArgument(f"on is a list of event types, not {on!r}: write on=[…]")
    types = tuple(on)
    if not types:
        raise InvalidArgument("on=[] would be about no event at all: name event types, or leave it out for all")
    return types


def check_version(version: int) -> int:
    """`InvalidArgument` for what is no version of a projection."""
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version < 2**31:
        raise InvalidArgument(f"the version of a projection is a whole number from 1, not {version!r}")
    return version
