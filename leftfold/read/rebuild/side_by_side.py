"""The live rows and those of a rebuild, compared as of the same moment, while both go on.

Rows and checkpoints of both are read in one snapshot. Where these differ, some events have been applied on one side
only: the keys that they concern are left out, and counted. So every difference that is told is one of the code, or of
the rows, and never one of time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from leftfold.database.protocol import Connection, Database, Row
from leftfold.errors import InvalidArgument, NotSupported
from leftfold.follow.checkpoints.generation import Generation, Role
from leftfold.follow.checkpoints.partition import Partition
from leftfold.follow.checkpoints.partitions import Partitions
from leftfold.log.contract import Log
from leftfold.log.subscription.page_size import PageSize
from leftfold.read.model.definition import Definition, definition_of
from leftfold.read.model.model import ReadModel, ReadModelMeta
from leftfold.read.projection.keyed import Projection
from leftfold.read.tables.comparison import Comparison, compare_rows
from leftfold.read.tables.compiler import CompiledStatement
from leftfold.read.tables.scan import in_key_order
from leftfold.read.tables.tables import table_in

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_BETWEEN = 100_000
_AHEAD = 1_000
_TRIES = 100


@dataclass(frozen=True, slots=True)
class RebuildComparison:
    """What a rebuild has made different: ``rows`` of the live generation before, of the new one after.

    ``left_out`` keys were not compared, because events that concern them were applied on one side only at that moment.
    Compared are the fields that both have; ``dropped`` are fields that only the live rows have, ``added`` only the new.
    """

    rows: Comparison[Any]
    left_out: int
    dropped: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([str(self.rows), *self._more()])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        return Group(self.rows, *map(Text, self._more()))

    def _more(self) -> list[str]:
        told = [f"fields that only the live rows have: {', '.join(self.dropped)}"] if self.dropped else []
        told += [f"fields that only the new rows have: {', '.join(self.added)}"] if self.added else []
        keys = "1 key is" if self.left_out == 1 else f"{self.left_out:,} keys are"
        told += [f"{keys} left out: events that concern them are on their way"] if self.left_out else []
        return told


class SideBySide:
    """A projection's live and shadow generation in one database."""

    def __init__(self, log: Log, database: Database, projection: Projection[Any]) -> None:
        self._log = log
        self._database = database
        self._projection = projection
        self._partitions = Partitions(database, outside=database is not log.database)

    async def compare(self, live: Generation, shadow: Generation, sample: int) -> RebuildComparison:
        """`NotSupported`: they stand too far apart. `InvalidArgument`: one is not what it was any more."""
        async with self._database.connection() as connection:
            existing = await table_in(self._database, self._projection.definition).existing(connection)
        expected = table_in(self._database, self._projection.definition, "shadow").expected()
        shared = _shared(self._projection.definition, [one for one in expected if expected[one] == existing.get(one)])
        for number in range(_TRIES):
            first, last = _span(await self._parts(live, shadow))
            if number:  # somebody is at work: look beyond
                last = min(last + _AHEAD, await self._log.head())
            left_out = await self._between(first, last)  # before the snapshot: in memory there is one connection
            try:
                async with snapshot(self._database) as connection:
                    if _span(await self._parts(live, shadow, connection))[1] > last:
                        continue
                    before, after = (self._rows(connection, shared, role, left_out) for role in _SIDES)
                    rows = await compare_rows(before, after, shared, sample)
            except Exception:  # a snapshot holds rows, and not the names of tables
                await self._parts(live, shadow)
                raise
            await self._parts(live, shadow)  # whose tables were they?
            names = [one.name for one in shared.fields]
            dropped, added = (tuple(one for one in columns if one not in names) for columns in (existing, expected))
            return RebuildComparison(rows, len(left_out), dropped, added)
        raise _moved(live)

    async def _parts(
        self, live: Generation, shadow: Generation, connection: Connection | None = None
    ) -> list[Partition]:
        """Of both, if they are what they were."""
        if connection is None:
            async with self._database.connection() as one:
                return await self._parts(live, shadow, one)
        found = []
        for generation in (live, shadow):
            parts = await self._partitions.load(connection, generation.name, generation.number)
            if not parts or (parts[0].role, parts[0].begun_at) != (generation.role, generation.begun_at):
                raise _moved(live)
            found += parts
        return found

    async def _rows(
        self, connection: Connection, shared: Definition, role: Role, left_out: Set[Any]
    ) -> AsyncIterator[Any]:
        async def run(statement: CompiledStatement, /, **values: Any) -> list[Row]:
            return await connection.execute(*statement.bind(**values))

        async for row in in_key_order(run, self._database, shared, role):
            if shared.key_of(row) not in left_out:
                yield row

    async def _between(self, first: int, last: int) -> set[Any]:
        """The keys that events between these positions concern."""
        query = self._projection.query(self._log.registry)
        if await self._log.count(query, first, last, _MOST_BETWEEN + 1) > _MOST_BETWEEN:
            raise NotSupported(
                f"the live rows of projection {self._projection.name!r} and the new ones stand too far apart to be "
                f"compared, at positions from {first:,} to {last:,}: let the workers of those that are behind catch up"
            )
        keys: set[Any] = set()
        async for page in self._log.read_settled(query, first, last, PageSize()):
            for recorded in page:
                keys.update(self._projection.keys_of(recorded))
        return keys


_SIDES: tuple[Role, Role] = ("live", "shadow")


def _span(parts: Sequence[Partition]) -> tuple[int, int]:
    """The least and the greatest position."""
    return min(one.position for one in parts), max(one.position for one in parts)


def _moved(live: Generation) -> InvalidArgument:
    return InvalidArgument(f"projection {live.name!r} was changed while its rows were compared: do it again")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection that sees one moment, for reading."""
    begin = "BEGIN" if database.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    async with database.connection() as connection:
        await connection.execute(begin)
        try:
            yield connection
        finally:
            await connection.execute("ROLLBACK")


def _shared(definition: Definition, names: Sequence[str]) -> Definition:
    """The same read model with only these fields."""
    if len(names) == len(definition.fields):
        return definition
    if missing := [definition.fields[at].name for at in definition.key if definition.fields[at].name not in names]:
        raise NotSupported(
            f"the rows cannot be compared: the live ones have another key ({', '.join(missing)} is not the same)"
        )
    hints = get_type_hints(definition.model, include_extras=True)
    members = {"__annotations__": {name: hints[name] for name in names}, "__module__": definition.model.__module__}
    model = ReadModelMeta(definition.model.__name__, (ReadModel,), members, table=definition.name)
    return definition_of.__wrapped__(model)
