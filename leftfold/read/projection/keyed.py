"""The keyed form of a projection: a fold over the log for each key, and the read model that it maintains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import update_wrapper
from typing import Any, Final, Generic, TypeVar

from leftfold.errors import InvalidArgument
from leftfold.events import Query, RecordedEvent, Registry
from leftfold.events.query_text import query_text
from leftfold.follow.checkpoints.generation import Blueprint
from leftfold.follow.options import OnFailure
from leftfold.read.model.definition import definition_of
from leftfold.read.model.model import ReadModel
from leftfold.read.projection.fingerprint import code_of, fingerprint_of


class Delete(Enum):
    """The type of `DELETE`."""

    DELETE = "delete"


DELETE: Final = Delete.DELETE
"""What a projection returns to delete the row."""

Model = TypeVar("Model", bound=ReadModel)
KeyedFold = Callable[[Model | None, RecordedEvent], Model | Delete | None]


class Projection(Generic[Model]):
    """The keyed fold that `projection` makes of a function. It is still callable as that function, and pure."""

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
    def can_be_split(self) -> bool:
        """Whether several workers may share it, each with some keys. Always: a row depends on its key's events only."""
        return True

    @property
    def is_by_stream(self) -> bool:
        """Whether an event concerns its stream's id as the key, and no other key."""
        return self.key is None and self.category is not None  # another category's is to stop it, whosever key it has

    def query(self, registry: Registry) -> Query:
        """The events that the projection is about."""
        return Query.of(*self.on, category=self.category, registry=registry)

    @property
    def table_names(self) -> tuple[str, ...]:
        """The name of its only table, in a tuple as for a `SqlProjection`."""
        return (self.definition.name,)

    def blueprint(self, registry: Registry) -> Blueprint:
        """The blueprint of its rows, with a fingerprint of the code."""
        query = query_text(self.query(registry))
        fingerprint = fingerprint_of(self.definition.describe(), *self._code, query)
        return Blueprint(self.name, self.version, fingerprint, self.table_names, query)

    def keys_of(self, recorded: RecordedEvent) -> Sequence[Any]:
        """The checked keys of the rows that an event concerns; none if it is passed over."""
        if self.key is None:
            return (recorded.stream_id,)
        key = self.key(recorded)
        keys = () if key is None else tuple(dict.fromkeys(key)) if isinstance(key, list) else (key,)
        for row_key in keys:
            self.definition.key_values(row_key)
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
